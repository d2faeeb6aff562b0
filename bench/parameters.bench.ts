/**
 * How fast a request's header section becomes CGI parameters, under whichever runtime runs this
 * file: `bun bench/parameters.bench.ts`, `deno run -A bench/parameters.bench.ts`. `--count N`
 * repeats.
 */
import { ParameterTemplate } from "../src/cgi/parameters.ts";
import type { CgiRequest } from "../src/cgi/request.ts";
import { decodeNameValues } from "../src/protocol/name_value.ts";
import { BROWSER_HEADERS } from "./browser_headers.ts";
import { runBenchmarks } from "./micro.ts";

const template = new ParameterTemplate({
  serverSoftware: "afcgi",
  documentRoot: undefined,
  params: { APP_ENV: "production" },
});

const bare: CgiRequest = {
  method: "GET",
  protocol: "HTTP/1.1",
  scheme: "http",
  target: "/",
  scriptName: "",
  pathInfo: "/",
  query: "",
  scriptFilename: undefined,
  serverName: "www.example.com",
  serverPort: 80,
  serverAddress: "192.0.2.1",
  remoteAddress: "203.0.113.7",
  remotePort: 51_234,
  headers: new Headers({ host: "www.example.com" }),
  contentType: undefined,
  contentLength: undefined,
};

const browser: CgiRequest = {
  ...bare,
  target: "/articles/2024/on-multiplexing?page=2&order=newest",
  pathInfo: "/articles/2024/on-multiplexing",
  query: "page=2&order=newest",
  headers: new Headers({ host: "www.example.com", ...BROWSER_HEADERS }),
};

const withAddition: CgiRequest = { ...browser, extra: new Map([["REMOTE_USER", "somebody"]]) };

/** Adds up what it saw, so that no compiler can leave the work out. */
let seen = 0;

function benchmark(name: string, request: CgiRequest) {
  const bytes = template.encode(request);
  const count = decodeNameValues(bytes).length;
  return {
    name: `${name}: ${count} parameters`,
    bytes: bytes.length,
    share: 1,
    run: () => void (seen += template.encode(request).length),
  };
}

await runBenchmarks([
  benchmark("bare request", bare),
  benchmark("browser's request", browser),
  benchmark("browser's request with one more", withAddition),
]);
if (seen === 0) throw new Error("Cannot trust these figures: nothing was encoded");
