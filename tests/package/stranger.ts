/**
 * The program and the configurations of somebody who has installed the package and knows nothing
 * else of it. They are written into an empty directory.
 */

/** Uses what the package is for, and tells what it saw. */
export const PROGRAM = `
import {
  authorized,
  type ClientParams,
  decodeNameValues,
  encodeNameValues,
  fastcgi,
  FastCgiClient,
  type FastCgiHandler,
  type HttpHandler,
  type RequestInfo,
  serveFastCgi,
  serveHttp,
  Upstream,
  UpstreamError,
} from "afcgi";
import { Hono } from "hono";

const handle: FastCgiHandler = async (request: Request, info: RequestInfo) => {
  if (info.role === "authorizer") return authorized({ REMOTE_USER: "somebody" });
  return new Response(request.method + " " + info.params.get("X") + " " + await request.text());
};
const application = await serveFastCgi(handle, { listen: "127.0.0.1:0", onError: console.error });
const { addr } = application;
if (addr.transport !== "tcp") throw new Error("Listens on " + addr.transport);
const address = "tcp://127.0.0.1:" + addr.port;

const client = new FastCgiClient(address);
const params: ClientParams = { REQUEST_METHOD: "POST", X: "é" };
const direct = await client.request({ params, body: "hello" });
console.log(direct.status, await new Response(direct.body).text());
await client.close();

const app = new Hono<{ Bindings: { token: string } }>();
const upstream = new Upstream({ servers: [address] });
app.all("/behind/*", fastcgi({ upstream, params: { X: "2" }, onError: console.error }));
const proxied = await app.request("http://localhost/behind/x", { method: "PUT", body: "you" });
console.log(proxied.status, await proxied.text());
await upstream.drain(0);

await application.shutdown({ grace: 1000 });
const nobody = new FastCgiClient(address);
const error: unknown = await nobody.request({ params: [["X", "3"]] }).catch((error) => error);
console.log(error instanceof UpstreamError ? error.code : error);
await nobody.close();

const greet: HttpHandler = (request, info) =>
  new Response(request.headers.get("x") + " over " + info.protocol);
const web = await serveHttp(greet, { listen: "127.0.0.1:0", http2: { streamsMax: 10 } });
if (web.addr.transport !== "tcp") throw new Error("Listens on " + web.addr.transport);
const greeted = await fetch("http://127.0.0.1:" + web.addr.port, { headers: { x: "hi" } });
console.log(await greeted.text());
await web.shutdown();

const hono = new Hono();
hono.get("/", (context) => context.text("hello"));
const unused = () => serveFastCgi(hono.fetch, { listen: "unix:/run/app.sock" });
console.log(decodeNameValues(encodeNameValues([["NAME", "value"]])).join(), typeof unused);
`;

export const PROGRAM_OUTPUT = `200 POST é hello
200 PUT 2 you
connect_failed
hi over HTTP/1.1
NAME,value function
`;

/** What the package exports, one name a line. */
export const NAMES_PROGRAM = `
import * as library from "afcgi";
console.log(Object.keys(library).sort().join("\\n"));
`;

/** That of \`bun init\`, but for skipLibCheck. */
const BUN_DEFAULTS = {
  lib: ["ESNext"],
  target: "ESNext",
  module: "Preserve",
  moduleDetection: "force",
  jsx: "react-jsx",
  allowJs: true,
  types: ["bun"],
  moduleResolution: "bundler",
  allowImportingTsExtensions: true,
  verbatimModuleSyntax: true,
  noEmit: true,
  strict: true,
  skipLibCheck: false,
  noFallthroughCasesInSwitch: true,
  noUncheckedIndexedAccess: true,
  noImplicitOverride: true,
};

/** Everything that \`strict\` leaves out. */
const STRICTEST = {
  target: "es2022",
  module: "nodenext",
  strict: true,
  skipLibCheck: false,
  noEmit: true,
  verbatimModuleSyntax: true,
  isolatedModules: true,
  erasableSyntaxOnly: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  noImplicitReturns: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
};

/** Configurations of strangers by what they are called in the test. */
export const CONFIGURATIONS: Readonly<Record<string, unknown>> = {
  "Bun's own": BUN_DEFAULTS,
  "the strictest, with a browser's types only": {
    ...STRICTEST,
    lib: ["esnext", "dom", "dom.iterable", "dom.asynciterable"],
    types: [],
  },
  "the strictest, with the DOM of one lib": { ...STRICTEST, lib: ["es2024", "dom"], types: [] },
  "the strictest, with Node's types only": { ...STRICTEST, lib: ["esnext"], types: ["node"] },
};
