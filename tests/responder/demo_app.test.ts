import { test } from "node:test";
import assert from "node:assert/strict";
import { Role } from "../../src/protocol/constants.ts";
import { demoApp, type DemoOptions } from "../../src/responder/demo_app.ts";
import { DEMO_PAGE } from "../../src/responder/demo_page.ts";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";
import { WebServerClient, type WebServerRequestOptions } from "./web_server_client.ts";
import { connectable } from "./setup.ts";
import { turn, until } from "../support/idle.ts";

const MIB = 1024 * 1024;

async function demo(options: DemoOptions = {}) {
  const runtime = new MemoryRuntime();
  const app = demoApp({ clock: runtime.clock, ...options });
  const onError = () => {};
  const server = await serveFastCgi(app, { listen: "127.0.0.1:0", runtime, onError });
  const client = await WebServerClient.connect(runtime, connectable(server));
  return { clock: runtime.clock, client };
}

/** Status line, body and the rest of the response to one request. */
async function get(uri: string, options: WebServerRequestOptions = {}) {
  const { client } = await demo();
  const request = client.begin({ uri, ...options });
  const { headers, body } = await request.answer();
  return { status: headers[0]?.slice("Status: ".length), headers, body, request };
}

/** Timers that are there as long as the connection is. */
const SERVER_TIMERS = 1;

/** Waits until so many of the demo's own timers run. */
async function timersSet(clock: MemoryRuntime["clock"], count = 1): Promise<void> {
  await until(() => clock.timerCount >= SERVER_TIMERS + count, "the demo's timers");
}

test("The demo's page links to every route, and each of them is there", async () => {
  const { status, body } = await get("/");
  assert.equal(status, "200 OK");
  assert.equal(body.length, new TextEncoder().encode(DEMO_PAGE).length);
  const links = [...body.matchAll(/href="([^"]+)"/g)].map((match) => match[1]!.split("?")[0]!);
  assert.ok(links.length >= 10);
  const { client } = await demo();
  for (const link of links) {
    const request = client.begin({ uri: `${link}?ms=0&chunks=1`, method: "GET" });
    await request.ended();
    assert.doesNotMatch(request.stdout, /^Status: 404/, link);
  }
});

test("The demo's /env shows parameters as text, and as JSON to who asks for it", async () => {
  assert.match((await get("/env")).body, /^HTTP_HOST=app\.test$/m);
  const { body } = await get("/env", { params: { HTTP_ACCEPT: "application/json", X_TEST: "ü" } });
  const env = JSON.parse(new TextDecoder().decode(Uint8Array.from(body, (c) => c.charCodeAt(0))));
  assert.equal(env.X_TEST, "ü");
  assert.equal(env.REQUEST_URI, "/env");
});

test("The demo's /echo sends a body back with its type, and tells a request without one", async () => {
  const { headers, body } = await get("/echo", {
    method: "POST",
    body: "<p>",
    params: { CONTENT_TYPE: "text/html" },
  });
  assert.equal(body, "<p>");
  assert.ok(headers.includes("content-type: text/html"));
  assert.ok(headers.includes("x-echo-method: POST"));
  const told = await get("/echo?a=b", { params: { HTTP_X_A: "1" } });
  assert.match(told.body, /^GET \/echo\?a=b\n(.*\n)*x-a: 1\n/);
});

test("The demo's /bytes streams as many as are asked for", async () => {
  const { body, headers } = await get(`/bytes?n=${MIB + 3}`);
  assert.ok(headers.includes(`content-length: ${MIB + 3}`));
  assert.equal(body, "0123456789abcdef".repeat(MIB / 16) + "012");
});

test("The demo's /status gives any final status", async () => {
  assert.equal((await get("/status?code=418")).status, "418 I'm a teapot");
  assert.equal((await get("/status?code=204")).status, "204 No Content");
});

test("The demo refuses what is beyond its bounds, and what is no number", async () => {
  const beyond = ["/bytes?n=1073741825", "/slow?ms=600001", "/status?code=199", "/stream?chunks=x"];
  for (const uri of beyond) assert.equal((await get(uri)).status, "400 Bad Request", uri);
});

test("The demo's /slow waits as long as it is asked to", async () => {
  const { clock, client } = await demo();
  const request = client.begin({ uri: "/slow?ms=500" });
  await timersSet(clock);
  clock.advance(499);
  await turn();
  assert.equal(request.end, undefined);
  clock.advance(1);
  assert.equal((await request.answer()).body, "Waited 500 ms\n");
});

test("The demo's /slow ends with its request", async () => {
  const { clock, client } = await demo();
  const request = client.begin({ uri: "/slow?ms=500" });
  await timersSet(clock);
  client.protocol.abort(request.id);
  await client.flush();
  await request.ended();
  assert.equal(clock.timerCount, SERVER_TIMERS);
});

test("The demo's /stream and /sse send their pieces one after the other", async () => {
  const { clock, client } = await demo();
  const stream = client.begin({ uri: "/stream?chunks=3&ms=20" });
  for (const index of [1, 2, 3]) {
    await client.until(() => stream.stdout.endsWith(`chunk ${index} of 3\n`));
    if (index === 3) break;
    await timersSet(clock);
    clock.advance(20);
  }
  assert.equal((await stream.answer()).body, "chunk 1 of 3\nchunk 2 of 3\nchunk 3 of 3\n");
  const sse = client.begin({ uri: "/sse?chunks=2&ms=0" });
  const { headers, body } = await sse.answer();
  assert.ok(headers.includes("content-type: text/event-stream"));
  assert.equal(body, "id: 1\ndata: event 1\n\nid: 2\ndata: event 2\n\n");
});

test("The demo's /stderr writes to STDERR, and /throw ends there too", async () => {
  assert.equal((await get("/stderr?text=hello")).request.stderr, "hello\n");
  const thrown = await get("/throw");
  assert.equal(thrown.status, "500 Internal Server Error");
  assert.match(thrown.request.stderr, /This handler always throws/);
});

test("The demo's /broken is cut before its end", async () => {
  const { clock, client } = await demo();
  const request = client.begin({ uri: "/broken?chunks=2&ms=10" });
  await client.until(() => request.stdout.endsWith("chunk 1 of 2\n"));
  await timersSet(clock);
  clock.advance(10);
  assert.equal(await request.ended(), "lost");
  assert.ok(request.stdout.endsWith("chunk 1 of 2\n"));
});

test("The demo's /connections counts connections that carried requests, and requests", async () => {
  const { clock, client } = await demo();
  const waiting = [client.begin({ uri: "/slow?ms=100" }), client.begin({ uri: "/slow?ms=100" })];
  await timersSet(clock, 2);
  const { body } = await client.begin({ uri: "/connections" }).answer();
  assert.deepEqual(JSON.parse(body), {
    connections: 1,
    connectionsSeen: 1,
    connectionsOpen: 1,
    requestsInFlight: 3,
    requestsInFlightMax: 3,
    requests: 3,
  });
  clock.advance(100);
  for (const request of waiting) await request.ended();
});

test("The demo holds every response for its delay", async () => {
  const { clock, client } = await demo({ delayMs: 300 });
  const requests = [client.begin(), client.begin({ uri: "/env" })];
  await timersSet(clock, 2);
  clock.advance(299);
  await turn();
  for (const { stdout } of requests) assert.equal(stdout, "");
  clock.advance(1);
  for (const request of requests) assert.match((await request.answer()).headers[0]!, /200 OK/);
});

test("The demo as an authorizer lets everybody in but who asks to be denied", async () => {
  const allowed = await get("/", { role: Role.AUTHORIZER });
  assert.deepEqual(allowed.headers, ["Status: 200 OK", "Variable-AFCGI_AUTHORIZED: 1"]);
  assert.equal((await get("/?deny", { role: Role.AUTHORIZER })).status, "403 Forbidden");
});

test("The demo dies without a response at /die, where it may", async () => {
  assert.equal((await get("/die")).status, "404 Not Found");
  const died = Promise.withResolvers<void>();
  const { client } = await demo({ die: died.resolve });
  const request = client.begin({ uri: "/die" });
  await died.promise;
  assert.equal(request.stdout, "");
  await client.destroy();
});

test("The demo as a filter gives its data back", async () => {
  const { client } = await demo();
  const request = client.begin({ role: Role.FILTER });
  client.protocol.sendData(request.id, new TextEncoder().encode("the file"));
  client.protocol.endData(request.id);
  await client.flush();
  assert.equal((await request.answer()).body, "the file");
});

/** What a query may ask for, at its edges: the first is what nothing said means. */
const QUERIES: readonly (readonly [path: string, name: string, max: number, min: number])[] = [
  ["/bytes", "n", 1_073_741_824, 0],
  ["/slow", "ms", 600_000, 0],
  ["/stream", "chunks", 100_000, 0],
  ["/stream", "ms", 600_000, 0],
  ["/sse", "chunks", 100_000, 0],
  ["/status", "code", 599, 200],
];

test("The demo takes a number within its bounds, those included, and tells them of any other", async () => {
  for (const [path, name, max, min] of QUERIES) {
    const { client } = await demo();
    const wrong = [max + 1, min - 1, "", "x", "1.5", "1e1", "+1", "99999999999"];
    for (const value of wrong) {
      const text = String(value);
      const request = client.begin({ uri: `${path}?${name}=${encodeURIComponent(text)}` });
      const { headers, body } = await request.answer();
      assert.equal(headers[0], "Status: 400 Bad Request", `${path} ${text}`);
      assert.equal(body, `Cannot take ${name} "${text}": use a number from ${min} to ${max}\n`);
    }
    for (const value of [min, max]) {
      // Of a gibibyte the headers do.
      const method = path === "/bytes" ? "HEAD" : "GET";
      const request = client.begin({ method, uri: `${path}?${name}=${value}` });
      await client.until(() => request.stdout !== "" || value > min);
      await turn();
      await turn();
      assert.doesNotMatch(request.stdout, /^Status: 400/, `${path} ${value}`);
    }
    await client.destroy();
  }
});

test("The demo's routes have their defaults where nothing is asked for", async () => {
  const { clock, client } = await demo();
  assert.equal((await client.begin({ uri: "/bytes" }).answer()).body.length, 1024);
  assert.equal((await client.begin({ uri: "/status" }).answer()).body, "Status 200\n");
  const slow = client.begin({ uri: "/slow" });
  await timersSet(clock);
  clock.advance(999);
  await turn();
  assert.equal(slow.end, undefined);
  clock.advance(1);
  assert.equal((await slow.answer()).body, "Waited 1000 ms\n");
  const stream = client.begin({ uri: "/stream" });
  for (let index = 1; index < 10; index++) {
    await client.until(() => stream.stdout.endsWith(`chunk ${index} of 10\n`));
    await timersSet(clock);
    clock.advance(99);
    await turn();
    assert.ok(stream.stdout.endsWith(`chunk ${index} of 10\n`));
    clock.advance(1);
  }
  assert.ok((await stream.answer()).body.endsWith("chunk 10 of 10\n"));
});

test("The demo's statuses without a body have none, and others say their number", async () => {
  for (const code of [200, 204, 205, 206, 304, 500, 599]) {
    const { body, status } = await get(`/status?code=${code}`);
    assert.ok(status!.startsWith(String(code)));
    assert.equal(body, [204, 205, 304].includes(code) ? "" : `Status ${code}\n`);
  }
});

test("The demo's /headers says what it got, under headers that web servers like to get wrong", async () => {
  const { headers, body } = await get("/headers", { params: { HTTP_X_A: "1" } });
  assert.deepEqual(JSON.parse(body), { host: "app.test", "x-a": "1" });
  const expected = [
    ...["content-type: application/json", "x-empty: ", "vary: accept, accept-encoding"],
    ...["set-cookie: first=1; Path=/"],
    "set-cookie: second=2; Expires=Fri, 31 Dec 2100 23:59:59 GMT",
  ];
  for (const field of expected) assert.ok(headers.includes(field), field);
});

test("The demo's /env is in the order of names, each once", async () => {
  const { body } = await get("/env", { params: { B: "2", A: "1" } });
  const names = body.trimEnd().split("\n").map((line) => line.split("=")[0]!);
  assert.deepEqual(names, names.toSorted());
  assert.equal(new Set(names).size, names.length);
});

test("The demo's /stderr writes at most 64 KiB, and a line of its own where it is asked for none", async () => {
  const long = await get(`/stderr?text=${"x".repeat(65_537)}`);
  assert.equal(long.request.stderr, `${"x".repeat(65_536)}\n`);
  assert.equal(long.body, "Written to STDERR\n");
  assert.equal((await get("/stderr")).request.stderr, "A line on STDERR\n");
});

test("What the demo does not have is said with its path", async () => {
  const { status, body } = await get("/none?a=b");
  assert.deepEqual([status, body], ["404 Not Found", "There is no /none; try /\n"]);
});

test("The demo's waits end with their client, held ones and streams alike, and leave no timer", async () => {
  for (
    const [uri, options] of [["/", { delayMs: 300 }], ["/stream?chunks=2&ms=300", {}]] as const
  ) {
    const { clock, client } = await demo(options);
    const request = client.begin({ uri });
    await timersSet(clock);
    client.protocol.abort(request.id);
    await client.flush();
    await request.ended();
    await until(() => clock.timerCount === SERVER_TIMERS, "the end of the demo's timer");
    // One that has come to its end leaves none either, nor a listener that would speak later.
    const whole = client.begin({ uri });
    await timersSet(clock);
    clock.advance(300);
    await whole.ended();
    assert.equal(clock.timerCount, SERVER_TIMERS);
    await client.destroy();
  }
});
