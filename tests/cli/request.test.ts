/** `afcgi request`: what it sends, what it prints where, and how it ends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FastCgiHandler, RequestInfo } from "../../src/responder/options.ts";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { parseAddress } from "../../src/runtime/address.ts";
import { MemoryNetwork, MemoryRuntime } from "../support/memory/memory.ts";
import { type Outcome, startCommand, turnUntil } from "./run_program.ts";

const ADDRESS = "app:9000";

interface Application {
  readonly handler: FastCgiHandler;
  readonly stdin?: string;
  readonly maxRequests?: number;
}

/** Runs `afcgi request` against a handler, with files to send. */
async function ask(args: string, application: Application): Promise<Outcome> {
  const { stdin, handler, ...options } = application;
  const runtime = new MemoryRuntime({
    process: { cwd: "/home", ...(stdin && { stdin: new TextEncoder().encode(stdin) }) },
  });
  const server = await serveFastCgi(handler, {
    listen: parseAddress(ADDRESS),
    runtime,
    ...options,
  });
  const tree = { "/home/body.txt": "a body", "/srv/data.txt": "some data" };
  const outcome = await startCommand(`request ${ADDRESS} ${args}`, { runtime, tree }).outcome;
  await server.shutdown({ grace: 0 });
  return outcome;
}

/** Answers with all that it was sent. */
async function echo(request: Request, info: RequestInfo): Promise<Response> {
  const body = await request.text();
  const data = info.data && await new Response(info.data).text();
  return Response.json({ role: info.role, params: Object.fromEntries(info.params), body, data });
}

interface Echo {
  readonly role: string;
  readonly params: Readonly<Record<string, string>>;
  readonly body: string;
  readonly data: string | null;
}

async function echoed(args: string, stdin?: string): Promise<Echo> {
  const outcome = await ask(args, { handler: echo, ...(stdin && { stdin }) });
  assert.deepEqual([outcome.status, outcome.stderr], [0, ""]);
  return JSON.parse(outcome.stdout);
}

function picked(echo: Echo, names: readonly string[]): Record<string, string | undefined> {
  return Object.fromEntries(names.map((name) => [name, echo.params[name]]));
}

test("request asks for / with GET and sends what an application must know", async () => {
  const { role, params } = await echoed("");
  assert.equal(role, "responder");
  assert.match(params["SERVER_SOFTWARE"] ?? "", /^afcgi\/\d/);
  const { SERVER_SOFTWARE: _, ...others } = params;
  assert.deepEqual(others, {
    GATEWAY_INTERFACE: "CGI/1.1",
    REDIRECT_STATUS: "200",
    REQUEST_METHOD: "GET",
    REQUEST_URI: "/",
    DOCUMENT_URI: "/",
    SCRIPT_NAME: "/",
    SCRIPT_FILENAME: "/",
    QUERY_STRING: "",
    SERVER_PROTOCOL: "HTTP/1.1",
    REQUEST_SCHEME: "http",
    SERVER_NAME: "localhost",
    SERVER_PORT: "80",
    SERVER_ADDR: "127.0.0.1",
    REMOTE_ADDR: "127.0.0.1",
    HTTP_HOST: "localhost",
  });
});

test("request takes scheme, host, port, path and query from a URL", async () => {
  const echo = await echoed("https://example.com:8443/a%20b?c=%20d");
  assert.deepEqual(
    picked(echo, ["REQUEST_SCHEME", "HTTPS", "SERVER_NAME", "SERVER_PORT", "SCRIPT_NAME"]),
    {
      REQUEST_SCHEME: "https",
      HTTPS: "on",
      SERVER_NAME: "example.com",
      SERVER_PORT: "8443",
      SCRIPT_NAME: "/a b",
    },
  );
  assert.deepEqual(picked(echo, ["REQUEST_URI", "QUERY_STRING", "HTTP_HOST"]), {
    REQUEST_URI: "/a%20b?c=%20d",
    QUERY_STRING: "c=%20d",
    HTTP_HOST: "example.com:8443",
  });
});

test("request --script makes script, root and path that belong together", async () => {
  const named = await echoed("--script /srv/www/tool.php /tool.php/extra?q=1");
  const names = ["SCRIPT_FILENAME", "SCRIPT_NAME", "PATH_INFO", "DOCUMENT_ROOT", "REQUEST_URI"];
  assert.deepEqual(picked(named, names), {
    SCRIPT_FILENAME: "/srv/www/tool.php",
    SCRIPT_NAME: "/tool.php",
    PATH_INFO: "/extra",
    DOCUMENT_ROOT: "/srv/www",
    REQUEST_URI: "/tool.php/extra?q=1",
  });
  // A relative one starts at the working directory.
  assert.deepEqual(picked(await echoed("--script reset.php"), names), {
    SCRIPT_FILENAME: "/home/reset.php",
    SCRIPT_NAME: "/reset.php",
    PATH_INFO: undefined,
    DOCUMENT_ROOT: "/home",
    REQUEST_URI: "/reset.php",
  });
});

test("request --param wins over every other source of a parameter", async () => {
  const { params } = await echoed(
    "--param SCRIPT_NAME=/own --param APP=a=b --param HTTP_HOST=x -H Accept:y",
  );
  assert.equal(params["SCRIPT_NAME"], "/own");
  assert.equal(params["APP"], "a=b");
  assert.equal(params["HTTP_HOST"], "x");
  assert.equal(params["HTTP_ACCEPT"], "y");
});

test("request --header sends fields as HTTP_*, twice the same one joined", async () => {
  const { params } = await echoed(
    "-H Host:example.org:81 -H X-Test:é -H X-Test:b -H Cookie:a=1 -H Cookie:b=2 " +
      "-H Content-Type:text/x",
  );
  assert.equal(params["HTTP_HOST"], "example.org:81");
  assert.equal(params["SERVER_NAME"], "example.org");
  assert.equal(params["SERVER_PORT"], "81");
  assert.equal(params["HTTP_X_TEST"], "é, b");
  assert.equal(params["HTTP_COOKIE"], "a=1; b=2");
  assert.equal(params["CONTENT_TYPE"], "text/x");
  assert.equal(params["HTTP_CONTENT_TYPE"], undefined);
});

test("request --body sends a file with POST and its exact length", async () => {
  const echo = await echoed("--body body.txt");
  assert.equal(echo.body, "a body");
  assert.deepEqual(picked(echo, ["REQUEST_METHOD", "CONTENT_LENGTH"]), {
    REQUEST_METHOD: "POST",
    CONTENT_LENGTH: "6",
  });
  assert.equal((await echoed("--body body.txt -X PUT")).params["REQUEST_METHOD"], "PUT");
});

test("request --body - sends standard input with its exact length", async () => {
  const echo = await echoed("--body -", "from standard input");
  assert.equal(echo.body, "from standard input");
  assert.equal(echo.params["CONTENT_LENGTH"], "19");
});

test("request --role filter sends both streams and what is known of the file", async () => {
  const echo = await echoed("--role filter --body body.txt --data /srv/data.txt");
  assert.deepEqual([echo.role, echo.body, echo.data], ["filter", "a body", "some data"]);
  assert.equal(echo.params["FCGI_DATA_LENGTH"], "9");
  assert.equal(echo.params["FCGI_DATA_LAST_MOD"], "0");
});

test("request --role authorizer ends like the response that it gets", async () => {
  const handler: FastCgiHandler = (_request, { role, params }) =>
    new Response(role, { status: params.get("SCRIPT_NAME") === "/yes" ? 200 : 403 });
  const allowed = await ask("--role authorizer /yes", { handler });
  assert.deepEqual(allowed, { status: 0, stdout: "authorizer", stderr: "" });
  const refused = await ask("--role authorizer /no", { handler });
  assert.deepEqual(refused, {
    status: 1,
    stdout: "authorizer",
    stderr: "afcgi: tcp://app:9000 answered with status 403\n",
  });
});

test("request ends with 0 for 2xx and 3xx, with 1 and a line for others, without it for -q", async () => {
  const handler: FastCgiHandler = (request) =>
    new Response(null, { status: Number(new URL(request.url).pathname.slice(1)) });
  for (const [status, exit] of [[200, 0], [204, 0], [302, 0], [404, 1], [500, 1]] as const) {
    const outcome = await ask(`/${status}`, { handler });
    assert.equal(outcome.status, exit, String(status));
    const line = `afcgi: tcp://app:9000 answered with status ${status}\n`;
    assert.equal(outcome.stderr, exit === 0 ? "" : line);
  }
  assert.deepEqual(await ask("/404 -q", { handler }), { status: 1, stdout: "", stderr: "" });
});

test("request -i prints status and fields before the body", async () => {
  const handler: FastCgiHandler = () =>
    new Response("body\n", { status: 404, headers: { "x-test": "é", "content-type": "text/x" } });
  const { stdout } = await ask("-i", { handler });
  const [headers = "", body] = stdout.split("\n\n");
  assert.equal(body, "body\n");
  const lines = headers.split("\n");
  assert.equal(lines[0], "Status: 404");
  assert.ok(lines.includes("content-type: text/x"), headers);
});

test("request puts STDERR on standard error, and -v the parameters before it", async () => {
  const handler: FastCgiHandler = async (_request, { stderr }) => {
    await stderr.write("a warning\n");
    return new Response("fine");
  };
  assert.deepEqual(await ask("", { handler }), {
    status: 0,
    stdout: "fine",
    stderr: "a warning\n",
  });
  const verbose = await ask("-v /x?y", { handler });
  assert.match(verbose.stderr, /^QUERY_STRING=y$/m);
  assert.ok(verbose.stderr.endsWith("\na warning\n"), verbose.stderr);
});

test("request tells in one line that nobody listens", async () => {
  const { status, stdout, stderr } = await startCommand("request app:9000").outcome;
  assert.deepEqual([status, stdout], [1, ""]);
  assert.match(stderr, /^afcgi: Cannot connect to tcp:\/\/app:9000: [^\n]+\n$/);
});

test("request tells in one line that the application is overloaded", async () => {
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const runtime = new MemoryRuntime();
  const server = await serveFastCgi(async () => {
    arrived.resolve();
    await gate.promise;
    return new Response("late");
  }, { listen: parseAddress(ADDRESS), runtime, maxRequests: 1 });
  const first = startCommand(`request ${ADDRESS}`, { runtime });
  await arrived.promise;
  assert.equal((await startCommand(`request ${ADDRESS}`, { runtime }).outcome).status, 1);
  assert.equal(runtime.process.stderr.text, "afcgi: tcp://app:9000 is overloaded\n");
  gate.resolve();
  assert.equal((await first.outcome).status, 0);
  await server.shutdown({ grace: 0 });
});

test("request tells that a response broke off, after what came of it", async () => {
  const runtime = new MemoryRuntime();
  const { stdout, stderr } = runtime.process;
  let count = 0;
  const body = new ReadableStream({
    async pull(controller) {
      if (count++ === 0) return controller.enqueue(new TextEncoder().encode("half"));
      await turnUntil(() => stdout.text !== "", "the first half on standard output");
      controller.error(new Error("broken"));
    },
  }, { highWaterMark: 0 });
  const handler: FastCgiHandler = () => new Response(body);
  const server = await serveFastCgi(handler, { listen: parseAddress(ADDRESS), runtime });
  const { status } = await startCommand(`request ${ADDRESS}`, { runtime }).outcome;
  assert.deepEqual([status, stdout.text], [1, "half"]);
  assert.match(stderr.text, /^afcgi: Lost the connection to tcp:\/\/app:9000: [^\n]+\n$/m);
  await server.shutdown({ grace: 0 });
});

test("request tells that no response came within --timeout", async () => {
  const network = new MemoryNetwork();
  const address = parseAddress(ADDRESS);
  network.silence(address);
  const { runtime, outcome } = startCommand(`request ${ADDRESS} --timeout 2s`, { network });
  await turnUntil(() => network.connectCount(address) > 0, "the connection");
  // A limit is kept within two ticks of 50 ms.
  await turnUntil(() => {
    runtime.clock.advance(50);
    return runtime.process.stderr.text !== "";
  }, "the end");
  const { status, stderr } = await outcome;
  assert.deepEqual([status, stderr], [1, "afcgi: Not done with tcp://app:9000 within 2000 ms\n"]);
});
