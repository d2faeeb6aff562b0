/**
 * The whole gateway in memory, where each look at a file, each accept, read, write, connect, send and
 * timer fails in its turn. Every request has one end: the right response, one that says what is
 * wrong, or a cut; never a part that passes for the whole, and never "not found" for what could not
 * be looked at. The next request is answered, and nothing is left.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startApp } from "../../src/app/app.ts";
import type { RouteOptions, SiteOptions } from "../../src/http/options.ts";
import { Logger } from "../../src/observe/logger.ts";
import { fromLatin1, latin1 } from "../../src/protocol/byte_buffer.ts";
import type { FastCgiHandler } from "../../src/responder/options.ts";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import type { Address } from "../../src/runtime/address.ts";
import type { ByteConnection } from "../../src/runtime/connection.ts";
import { MemoryRuntime, MemorySink } from "../support/memory/memory.ts";
import {
  failEach,
  failFiles,
  FailingClient,
  FailingNetwork,
  failTemporaryFiles,
  failTimers,
  type Operations,
} from "../support/failing_operations.ts";
import { FASTCGI_ROUTE, gatewayAppOptions } from "../support/gateway.ts";
import { untilIdle } from "../support/idle.ts";
import { assertNoUnexpected } from "../support/unexpected.ts";

const AT: Address = { transport: "tcp", host: "127.0.0.1", port: 8080 };
const SERVER: Address = { transport: "tcp", host: "127.0.0.1", port: 8081 };
const APPLICATION: Address = { transport: "unix", path: "/run/app.sock" };

const PAGE = "0123456789".repeat(20_000);

/** In which a request must have its end, by the times below. */
const END_STEPS = 60;
const STEP_MS = 250;

interface Scenario {
  readonly name: string;
  readonly target: string;
  readonly method?: string;
  readonly fields?: readonly string[];
  readonly body?: string;
  /** Whether the client takes nothing at first. */
  readonly isSlow?: boolean;
  readonly application?: FastCgiHandler;
  /** Of the response when nothing fails. */
  readonly status?: number;
  readonly whole: string | RegExp;
  /** Operations of which each must have failed once. */
  readonly operations: readonly string[];
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: "a file",
    target: "/files/page.html",
    whole: PAGE,
    operations: ["realPath", "openNow", "write to a client", "send a file"],
  },
  {
    name: "a file to a slow client",
    target: "/files/page.html",
    isSlow: true,
    whole: PAGE,
    operations: ["openNow", "write to a client", "send a file"],
  },
  {
    name: "a part of a file",
    target: "/files/page.html",
    fields: ["range: bytes=5-14"],
    status: 206,
    whole: "5678901234",
    operations: ["openNow", "write to a client"],
  },
  {
    name: "a directory's index",
    target: "/files/directory/",
    whole: "the index",
    operations: ["realPath", "openNow", "write to a client"],
  },
  {
    name: "a listing",
    target: "/files/plain/",
    whole: /one\.txt[^]*two\.txt/,
    operations: ["list", "write to a client"],
  },
  {
    name: "a compressed sibling",
    target: "/files/style.css",
    fields: ["accept-encoding: gzip"],
    whole: "packed",
    operations: ["openNow", "write to a client"],
  },
  {
    name: "a short response of an application",
    target: "/app",
    application: () => new Response("short"),
    whole: "short",
    operations: ["connect", "read", "write", "write to a client"],
  },
  {
    name: "a long response to a slow client, by a temporary file",
    target: "/app",
    isSlow: true,
    application: () => new Response(PAGE),
    whole: PAGE,
    operations: [
      "connect",
      "read",
      "write to a client",
      "open a temporary file",
      "append to a temporary file",
      "read a temporary file",
    ],
  },
  {
    name: "a body gathered in a temporary file",
    target: "/gathered",
    method: "POST",
    body: PAGE,
    application: async (request) => new Response(String((await request.text()).length)),
    whole: String(PAGE.length),
    operations: ["connect", "write", "open a temporary file", "append to a temporary file"],
  },
  {
    name: "a file by X-Sendfile",
    target: "/app",
    application: () =>
      new Response("never shown", { headers: { "x-sendfile": "/srv/files/page.html" } }),
    whole: PAGE,
    operations: ["connect", "read", "realPath", "openNow", "write to a client"],
  },
  {
    name: "a file by X-Accel-Redirect",
    target: "/app",
    application: () =>
      new Response("never shown", { headers: { "x-accel-redirect": "/inner/page.html" } }),
    whole: PAGE,
    operations: ["connect", "read", "realPath", "openNow", "write to a client"],
  },
  {
    name: "a script that is looked for",
    target: "/php/script.php",
    application: (_, { params }) => new Response(params.get("SCRIPT_FILENAME")),
    whole: "/srv/php/script.php",
    operations: ["connect", "realPath", "write to a client"],
  },
  {
    name: "a file through a filter",
    target: "/filtered/page.html",
    application: async (_, { data }) => new Response(await new Response(data).text()),
    whole: PAGE,
    operations: ["connect", "openNow", "read a file", "write to a client"],
  },
  {
    name: "a response of an HTTP server",
    target: "/proxy/length",
    whole: PAGE,
    operations: ["connect", "read", "write", "write to a client"],
  },
  {
    name: "a response of an HTTP server in chunks, to a slow client",
    target: "/proxy/chunks",
    isSlow: true,
    whole: PAGE,
    operations: ["connect", "read", "append to a temporary file", "read a temporary file"],
  },
  {
    name: "a body for an HTTP server",
    target: "/proxy/body",
    method: "POST",
    body: PAGE,
    whole: PAGE,
    operations: ["connect", "read", "write", "write to a client"],
  },
  {
    name: "a request that an HTTP server is asked about",
    target: "/asked",
    application: () => new Response("short"),
    whole: "short",
    operations: ["connect", "read", "write", "write to a client"],
  },
];

const files = { kind: "static", index: ["index.html"], cacheControl: [] } as const;
const route = (path: string, handler: RouteOptions["handler"], more = {}): RouteOptions => ({
  path,
  methods: undefined,
  handler,
  ...more,
});

const SITE: SiteOptions = {
  hosts: [],
  root: "/srv",
  sendfile: ["/srv/files"],
  routes: [
    route("/files/*", { ...files, listing: true, precompressed: ["gzip"] }),
    route("/inner/*", files, { internal: true }),
    route("/php/*", {
      kind: "php",
      upstream: "app",
      index: ["index.php"],
      frontController: undefined,
      params: {},
    }),
    route("/filtered/*", { kind: "filter", upstream: "app", params: {} }),
    route("/gathered", FASTCGI_ROUTE.handler, {
      requestBody: "gather",
      limits: { requestBufferMax: 100 },
    }),
    route("/proxy/*", { kind: "proxy", upstream: "server", headers: {} }),
    route("/asked", FASTCGI_ROUTE.handler, {
      forwardAuth: { upstream: "server", uri: "/auth", copyHeaders: ["x-user"] },
    }),
    FASTCGI_ROUTE,
  ],
};

/** What the HTTP server says to each path. */
const SAID: Readonly<Record<string, (body: string) => string>> = {
  "/proxy/length": () => `content-length: ${PAGE.length}\r\n\r\n${PAGE}`,
  "/proxy/chunks": () =>
    `transfer-encoding: chunked\r\n\r\n${PAGE.length.toString(16)}\r\n${PAGE}\r\n0\r\n\r\n`,
  "/proxy/body": (body) => `content-length: ${body.length}\r\n\r\n${body}`,
  "/auth": () => "x-user: somebody\r\ncontent-length: 0\r\n\r\n",
};

/** What it writes at once. */
const WRITE_LENGTH = 16 * 1024;

/** An HTTP server that takes one request after the other on each connection. */
async function serveHttp(runtime: MemoryRuntime): Promise<void> {
  await runtime.listen(SERVER, (connection) => void serveConnection(connection));
}

async function serveConnection({ readable, writable }: ByteConnection): Promise<void> {
  const writer = writable.getWriter();
  writer.closed.catch(() => {});
  let received = "";
  try {
    for await (const bytes of readable) {
      received += fromLatin1(bytes);
      const [, target] = /^[A-Z]+ (\S+) /.exec(received) ?? [];
      const headersEnd = received.indexOf("\r\n\r\n");
      if (headersEnd < 0) continue;
      const length = Number(/\r\ncontent-length: (\d+)/.exec(received)?.[1] ?? 0);
      const body = received.slice(headersEnd + 4);
      if (body.length < length) continue;
      received = "";
      const said = `HTTP/1.1 200 OK\r\n${SAID[target!]!(body)}`;
      for (let at = 0; at < said.length; at += WRITE_LENGTH) {
        await writer.write(latin1(said.slice(at, at + WRITE_LENGTH)));
      }
    }
    await writer.close();
  } catch {
    // It broke, as it should.
  }
}

function layOut({ files }: MemoryRuntime): void {
  files.write("/srv/files/page.html", PAGE);
  files.write("/srv/files/directory/index.html", "the index");
  files.write("/srv/files/plain/one.txt", "1");
  files.write("/srv/files/plain/two.txt", "2");
  files.write("/srv/files/style.css", "plain");
  files.write("/srv/files/style.css.gz", "packed");
  files.write("/srv/inner/page.html", PAGE);
  files.write("/srv/php/script.php", "source");
  files.write("/srv/filtered/page.html", PAGE);
}

/** What a client has of its request in the end. */
type End =
  | { readonly kind: "cut" }
  | { readonly kind: "whole"; readonly status: number; readonly body: string };

async function ask(
  runtime: MemoryRuntime,
  scenario: Scenario,
  operations: Operations,
): Promise<End> {
  const { method = "GET", target, fields = [], body, isSlow = false } = scenario;
  const client = new FailingClient(operations);
  client.room = isSlow ? 100 : Infinity;
  client.events = runtime.connectClient(AT, client);
  const framing = body === undefined ? [] : [`content-length: ${body.length}`];
  const lines = [`${method} ${target} HTTP/1.1`, "host: a", "connection: close"];
  if (operations.fails("accept")) client.close();
  else client.send([...lines, ...fields, ...framing, "", body ?? ""].join("\r\n"));
  for (let step = 0; client.ended === "no"; step++) {
    assert.ok(step < END_STEPS, "the request has no end");
    await untilIdle();
    client.take(Infinity);
    runtime.clock.advance(STEP_MS);
  }
  await untilIdle();
  const { text, ended } = client;
  if (!client.isClosed) client.close();
  return ended === "end" ? readWhole(text) : { kind: "cut" };
}

/** A response that lacks some of its length, or its last chunk, is one that a client knows to be cut. */
function readWhole(text: string): End {
  const headersEnd = text.indexOf("\r\n\r\n");
  if (headersEnd === -1) return { kind: "cut" };
  const headers = text.slice(0, headersEnd).toLowerCase();
  const content = text.slice(headersEnd + 4);
  const status = Number(text.split(" ")[1]);
  const length = /\r\ncontent-length: (\d+)/.exec(headers)?.[1];
  if (length !== undefined) {
    assert.ok(content.length <= Number(length), "more than its length says");
    if (content.length < Number(length)) return { kind: "cut" };
    return { kind: "whole", status, body: content };
  }
  assert.match(headers, /\r\ntransfer-encoding: chunked/);
  if (!content.endsWith("\r\n0\r\n\r\n")) return { kind: "cut" };
  return { kind: "whole", status, body: withoutChunks(content) };
}

function withoutChunks(content: string): string {
  let body = "";
  for (let at = 0;;) {
    const lineEnd = content.indexOf("\r\n", at);
    const length = parseInt(content.slice(at, lineEnd), 16);
    if (!(length > 0)) return body;
    body += content.slice(lineEnd + 2, lineEnd + 2 + length);
    at = lineEnd + 2 + length + 2;
  }
}

function isRight({ status = 200, whole }: Scenario, end: End): boolean {
  if (end.kind === "cut" || end.status !== status) return false;
  return typeof whole === "string" ? end.body === whole : whole.test(end.body);
}

async function run(scenario: Scenario, operations: Operations): Promise<void> {
  const runtime = new MemoryRuntime({ network: new FailingNetwork(operations, "client") });
  layOut(runtime);
  failFiles(runtime.files, operations);
  failTemporaryFiles(runtime.files, operations);
  const application = await serveFastCgi(scenario.application ?? (() => new Response("")), {
    listen: APPLICATION,
    runtime,
  });
  const sink = new MemorySink();
  const logger = new Logger({ sink, clock: runtime.clock, level: "info", format: "json" });
  const { isArmed } = operations;
  operations.isArmed = false;
  await serveHttp(runtime);
  failTimers(runtime.clock, operations);
  const base = gatewayAppOptions({
    sites: [SITE],
    listen: [{ address: AT, tls: undefined }],
    upstream: {
      limits: { responseHeaderMax: 16_384, responseBufferMax: 1_000, spillMax: 1_000_000 },
      retry: { attemptsMax: 0, delayMs: 0, methods: ["GET"], sameServer: false },
    },
  }, APPLICATION);
  const [upstream] = base.upstreams;
  const options = {
    ...base,
    upstreams: [...base.upstreams, {
      ...upstream!,
      name: "server",
      protocol: "http" as const,
      servers: [{ address: SERVER, weight: 1, backup: false }],
    }],
  };
  const app = await startApp(options, { runtime, logger, version: "0" });
  operations.isArmed = isArmed;
  const end = await ask(runtime, scenario, operations);
  const what = JSON.stringify(end).slice(0, 300);
  if (operations.failed === undefined) assert.ok(isRight(scenario, end), what);
  else if (!isRight(scenario, end) && end.kind === "whole") {
    assert.ok(end.status >= 500, `with ${operations.failed} failing: ${what}`);
  }
  operations.isArmed = false;
  const next = await ask(runtime, scenario, operations);
  assert.ok(isRight(scenario, next), `the next request: ${JSON.stringify(next).slice(0, 300)}`);
  assert.deepEqual(
    { open: runtime.files.openCount, temporary: runtime.files.temporaryCount },
    { open: 0, temporary: 0 },
    "a file is left",
  );
  await app.stop();
  await application.shutdown({ grace: 0 });
  // The last lines of the log.
  runtime.clock.advance(0);
  await untilIdle();
  assert.equal(runtime.clock.timerCount, 0, "a timer is left");
  const lines = sink.text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  assertNoUnexpected(lines);
}

for (const scenario of SCENARIOS) {
  test(`Whichever operation fails, a request has one end, and the next is answered: ${scenario.name}`, async () => {
    const failures = await failEach((operations) => run(scenario, operations));
    for (const operation of ["accept", "timer", ...scenario.operations]) {
      assert.ok(failures.includes(operation), `no ${operation} has failed: ${failures}`);
    }
  });
}
