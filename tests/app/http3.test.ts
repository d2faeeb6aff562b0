/** HTTP/3 beside listeners, before a runtime's server that a test plays. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  HTTP3_CHECK_INTERVAL_MS,
  Http3Listeners,
  type Http3Place,
  missingHttp3,
} from "../../src/app/http3.ts";
import { advertised, http3Handler, http3Names } from "../../src/app/http3_handler.ts";
import type { CertificateSource } from "../../src/certificates/source.ts";
import { CertificateTable } from "../../src/certificates/table.ts";
import { UNCOUNTED } from "../../src/http1/held_memory.ts";
import { CONNECTION_TIMEOUTS } from "../../src/http1/server.ts";
import type { SiteOptions } from "../../src/http/options.ts";
import { Logger } from "../../src/observe/logger.ts";
import type { Identify } from "../../src/runtime/callback_socket.ts";
import type { TlsIdentity } from "../../src/runtime/connection.ts";
import type { Http3ListenOptions, NamedIdentity } from "../../src/runtime/http3.ts";
import type { HttpRequest } from "../../src/runtime/http_request.ts";
import {
  BytesResponse,
  FileResponse,
  type HttpResponse,
  StreamResponse,
} from "../../src/runtime/http_response.ts";
import { ManualClock, MemoryRuntime, MemorySink } from "../support/memory/memory.ts";
import { ListenError } from "../../src/runtime/network.ts";
import { settle } from "../support/http1_world.ts";

const ADDRESS = { transport: "tcp", host: "127.0.0.1", port: 8443 } as const;
const LISTEN = { address: ADDRESS, tls: {}, http3: true } as const;
const PEER = { host: "192.0.2.1", port: 1, protocol: "HTTP/3.0" } as const;

function site(hosts: readonly string[], kind?: "auto"): SiteOptions {
  return { hosts, routes: [], ...(kind && { tls: { kind } }) } as unknown as SiteOptions;
}

interface Opened {
  readonly options: Http3ListenOptions;
  stopped: boolean;
}

function world(identify: Identify, sites: readonly SiteOptions[] = []) {
  const runtime = new MemoryRuntime();
  const opened: Opened[] = [];
  const sink = new MemorySink();
  const logger = new Logger({ sink, clock: runtime.clock, level: "info", format: "json" });
  let failing: string | undefined;
  const http3 = new Http3Listeners({
    runtime: {
      clock: runtime.clock,
      name: "memory",
      version: "0",
      listenHttp3: (options) => {
        if (failing !== undefined) throw new ListenError(failing);
        const one = { options, stopped: false };
        opened.push(one);
        return {
          stop: () => {
            one.stopped = true;
            return Promise.resolve();
          },
          destroy: () => void (one.stopped = true),
        };
      },
    },
    logger,
  });
  const later = async () => {
    runtime.clock.advance(HTTP3_CHECK_INTERVAL_MS);
    await settle();
    await logger.flush();
  };
  const place = (port: number = ADDRESS.port, text = "fine"): Http3Place => ({
    address: { ...ADDRESS, port },
    idleMs: 1000,
    handler: () => new Response(text),
    names: http3Names(sites),
    identify,
  });
  return {
    http3,
    opened,
    sink,
    later,
    place,
    open: async () => await (await http3.prepare([place()])).commit(),
    fail: (reason: string | undefined) => failing = reason,
  };
}

const pair = (cert: string): TlsIdentity => ({ cert, key: `key of ${cert}` });
const namesOf = (identities: readonly NamedIdentity[]) =>
  identities.map(({ serverName, cert }) => `${serverName}=${cert}`);

test("Each name has its certificate, and a wildcard that of a name below it", async () => {
  const sites = [site(["a.test", "*.b.test", "[::1]"]), site(["c.test"])];
  const { open, opened } = world((name) => name === "c.test" ? undefined : pair(name), sites);
  await open();
  assert.deepEqual(namesOf(opened[0]!.options.identities), [
    "=",
    "a.test=a.test",
    "*.b.test=a.b.test",
  ]);
});

test("Who asks for no name gets the certificate of the address, as over TCP", async () => {
  const table = new CertificateTable();
  const source = (cert: string) => ({ find: () => pair(cert) }) as unknown as CertificateSource;
  table.add({ hosts: ["a.test"] }, source("first"));
  table.add({ hosts: [ADDRESS.host] }, source("of the address"));
  const { open, opened } = world(
    (name, hello, localHost) => table.find(name, hello, undefined, localHost),
    [site(["a.test"]), site([ADDRESS.host])],
  );
  await open();
  assert.deepEqual(namesOf(opened[0]!.options.identities), ["=of the address", "a.test=first"]);
});

test("Nobody asks an authority for a certificate that nobody needs", async () => {
  const asked: string[] = [];
  const identify: Identify = (name) => {
    asked.push(name);
    return pair(name);
  };
  await world(identify, [site(["*.a.test", "a.test"], "auto")]).open();
  assert.deepEqual(asked, ["", "a.test"]);
});

test("It waits for a first certificate, and begins again with another one", async () => {
  let current: TlsIdentity | undefined;
  const { open, opened, later } = world(() => current);
  await open();
  assert.equal(opened.length, 0);
  current = pair("first");
  await later();
  assert.equal(opened.length, 1);
  await later();
  assert.equal(opened.length, 1, "the same certificate is no reason");
  current = pair("second");
  await later();
  assert.deepEqual(opened.map(({ stopped }) => stopped), [true, false]);
  assert.deepEqual(namesOf(opened[1]!.options.identities), ["=second"]);
});

test("Where a second one cannot be opened the first goes on, and the log says so", async () => {
  let current = pair("first");
  const { open, opened, later, fail, sink } = world(() => current);
  await open();
  current = pair("second");
  fail("Cannot listen on 127.0.0.1:8443: permission denied");
  await later();
  assert.equal(opened[0]!.stopped, false);
  assert.match(sink.text, /permission denied/);
  assert.match(sink.text, /"http3_failed"/);
  fail(undefined);
  await later();
  assert.deepEqual(opened.map(({ stopped }) => stopped), [true, false]);
});

test("A first one that cannot be opened ends the start", async () => {
  const { open, fail } = world(() => pair("x"));
  fail("Cannot listen on 127.0.0.1:8443: in use");
  await assert.rejects(open(), /in use/);
});

test("Another configuration keeps the port, and answers from its commit on", async () => {
  const { http3, opened, place } = world(() => pair("x"));
  await (await http3.prepare([place(1, "first"), place(2, "gone")])).commit();
  const plan = await http3.prepare([place(1, "second"), place(3, "new")]);
  const ask = async () =>
    await (await opened[0]!.options.handler(new Request("https://a.test/"), PEER)).text();
  assert.deepEqual(opened.map(({ options }) => options.address.port), [1, 2, 3]);
  assert.equal(await ask(), "first");
  await plan.commit();
  assert.equal(await ask(), "second");
  await settle();
  assert.deepEqual(opened.map(({ stopped }) => stopped), [false, true, false]);
});

test("What is not committed is closed, and nothing else", async () => {
  const { http3, opened, place, fail } = world(() => pair("x"));
  await (await http3.prepare([place(1)])).commit();
  (await http3.prepare([place(1), place(2)])).discard();
  assert.deepEqual(opened.map(({ stopped }) => stopped), [false, true]);
  fail("in use");
  await assert.rejects(http3.prepare([place(1), place(3)]), /in use/);
  assert.equal(opened[0]!.stopped, false);
});

test("Behind its end it opens nothing", async () => {
  const certificates = [pair("first"), pair("second")];
  const { open, opened, later, http3 } = world(() => certificates.shift());
  await open();
  await http3.stop();
  await later();
  assert.deepEqual(opened.map(({ stopped }) => stopped), [true]);
});

const file = { close() {} } as unknown as FileResponse["file"];
const RESPONSES: Readonly<Record<string, () => HttpResponse>> = {
  "a Response": () => new Response("x"),
  bytes: () => new BytesResponse(200, [["a", "b"]], new Uint8Array(1)),
  "a stream": () => new StreamResponse(200, [["a", "b"]], null, { length: 1 }),
  "a file": () => new FileResponse(200, [["a", "b"]], { file, start: 0, end: 1 }),
};

function altSvc(response: HttpResponse): string | null | undefined {
  if (response instanceof Response) return response.headers.get("alt-svc");
  return new Map(response.fields).get("alt-svc");
}

for (const [what, make] of Object.entries(RESPONSES)) {
  test(`Clients of other listeners are told of it with ${what}, now and later`, async () => {
    const known: { port?: number } = {};
    const request = {} as HttpRequest;
    const handlers = [make, () => Promise.resolve(make())]
      .map((one) => advertised(one, () => known.port));
    for (const handler of handlers) {
      assert.equal(altSvc(await handler(request, PEER)), altSvc(make()));
    }
    known.port = 8443;
    for (const handler of handlers) {
      assert.equal(altSvc(await handler(request, PEER)), 'h3=":8443"; ma=86400');
    }
  });
}

test("An application that says where else it is keeps its word", async () => {
  const said = new BytesResponse(200, [["Alt-Svc", "clear"]], new Uint8Array(0));
  const response = await advertised(() => said, () => 1)({} as HttpRequest, PEER);
  assert.equal(response, said);
});

async function ask(init: RequestInit & { duplex?: "half" }): Promise<[Response, string]> {
  let body = "";
  const handle = http3Handler(async (request) => {
    body = await new Response(request.body).text().catch(() => "broken");
    return new Response("fine");
  }, { clock: new ManualClock(), memory: UNCOUNTED, timeouts: CONNECTION_TIMEOUTS });
  return [await handle(new Request("https://a.test/", init), PEER), body];
}

test("What our own servers refuse is refused", async () => {
  const refused: Record<string, string>[] = [
    { "transfer-encoding": "chunked" },
    { connection: "close" },
    { upgrade: "websocket" },
    { te: "gzip" },
    { "content-length": "1, 1" },
    { "content-length": "-1" },
  ];
  for (const headers of refused) {
    assert.equal((await ask({ headers }))[0].status, 400, JSON.stringify(headers));
  }
  assert.equal((await ask({ headers: { te: "trailers", x: "y" } }))[0].status, 200);
});

test("A body of another length than was said breaks", async () => {
  const cases = [["3", "abc"], ["2", "broken"], ["4", "broken"]] as const;
  for (const [length, seen] of cases) {
    const headers = { "content-length": length };
    const [, body] = await ask({ method: "POST", body: "abc", headers });
    assert.equal(body, seen, length);
  }
});

test("A runtime without it says so, and nothing else", () => {
  const { clock } = new MemoryRuntime();
  const without = { clock, name: "deno", version: "2.9.6" } as const;
  assert.equal(
    missingHttp3(without, { listen: [LISTEN] }),
    "Cannot serve HTTP/3 on tcp://127.0.0.1:8443: deno 2.9.6 has none " +
      '(leave "http3" out, or use the executable)',
  );
  assert.equal(
    missingHttp3(without, { listen: [{ address: ADDRESS, tls: undefined }] }),
    undefined,
  );
});
