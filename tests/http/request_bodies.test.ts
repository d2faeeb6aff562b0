/** Bodies of requests: limits, lengths, what is refused, and what becomes of the connection then. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteOptions } from "../../src/http/options.ts";
import { FASTCGI_ROUTE, type Gateway, withGateway } from "../support/gateway.ts";
import { HttpConnection, type HttpRequest, rawRequest } from "../support/raw_http.ts";

const BODY_MAX = 1024;

/** Says how many bytes came, and counts the requests that reached it. */
function countingApplication() {
  const seen = { requests: 0 };
  const application = async (request: Request) => {
    seen.requests++;
    return new Response(`${(await request.arrayBuffer()).byteLength} bytes`);
  };
  return { seen, application };
}

for (const multiplex of ["on", "off"] as const) {
  test(`A body of the limit passes, one byte more gets 413, multiplex ${multiplex}`, async () => {
    const { seen, application } = countingApplication();
    const limits = { requestBodyMax: BODY_MAX };
    await withGateway({ application, limits, upstream: { multiplex } }, async (gateway) => {
      for (const chunked of [false, true]) {
        const request = { method: "POST", chunked };
        const passed = await gateway.send({ ...request, body: "x".repeat(BODY_MAX) });
        assert.equal(passed.body.toString(), `${BODY_MAX} bytes`);
        seen.requests = 0;
        const refused = await gateway.send({ ...request, body: "x".repeat(BODY_MAX + 1) });
        assert.equal(refused.status, 413);
        assert.match(refused.body.toString(), /request_body_too_large/);
        assert.ok(refused.headers.get("x-request-id"));
        assert.equal(seen.requests, 0);
      }
      const lines = await gateway.access.findAll(2, (line) => line["status"] === 413);
      assert.deepEqual(lines.map((line) => line["code"]), [
        "request_body_too_large",
        "request_body_too_large",
      ]);
    });
  });
}

test("Without a limit every body passes", async () => {
  const { application } = countingApplication();
  await withGateway({ application, limits: { requestBodyMax: 0 } }, async (gateway) => {
    const body = "x".repeat(300_000);
    for (const chunked of [false, true]) {
      const response = await gateway.send({ method: "PUT", body, chunked });
      assert.equal(response.body.toString(), "300000 bytes");
    }
  });
});

test("bytes_in is the length of the body, in chunks or not; of a refused one what was read", async () => {
  const { application } = countingApplication();
  await withGateway({ application, limits: { requestBodyMax: BODY_MAX } }, async (gateway) => {
    const bytesIn = async (target: string, request: HttpRequest) => {
      await gateway.send({ ...request, target });
      return (await gateway.access.ofPath(target))["bytes_in"];
    };
    assert.equal(await bytesIn("/none", {}), 0);
    assert.equal(await bytesIn("/length", { method: "POST", body: "12345" }), 5);
    assert.equal(await bytesIn("/chunked", { method: "POST", body: "12345", chunked: true }), 5);
    const large = "x".repeat(BODY_MAX + 1);
    assert.equal(await bytesIn("/refused", { method: "POST", body: large }), 0);
    const read = await bytesIn("/cut", { method: "POST", body: large, chunked: true });
    assert.equal(read, BODY_MAX + 1);
  });
});

test("A GET may have a body, and it reaches the application", async () => {
  const { seen, application } = countingApplication();
  await withGateway({ application }, async (gateway) => {
    const response = await gateway.send({ body: "hidden", target: "/get" });
    assert.deepEqual([response.status, seen.requests], [200, 1]);
  });
});

test("A GET with Content-Length 0 has no body and passes", async () => {
  const { application } = countingApplication();
  await withGateway({ application }, async (gateway) => {
    const response = await gateway.send({ body: "" });
    assert.equal(response.status, 200);
  });
});

test("A POST whose chunks hold nothing has an empty body and passes", async () => {
  const { application } = countingApplication();
  await withGateway({ application }, async (gateway) => {
    for (const method of ["POST", "PUT"]) {
      const response = await gateway.send({ method, body: "", chunked: true });
      assert.equal(response.body.toString(), "0 bytes");
    }
  });
});

test("DELETE, PATCH and OPTIONS may have a body", async () => {
  const { application } = countingApplication();
  await withGateway({ application }, async (gateway) => {
    for (const method of ["DELETE", "PATCH", "OPTIONS"]) {
      const response = await gateway.send({ method, body: "12345" });
      assert.equal(response.body.toString(), "5 bytes", method);
    }
  });
});

test("A body with both Content-Length and chunks is refused and smuggles nothing", async () => {
  const { seen, application } = countingApplication();
  await withGateway({ application }, async (gateway) => {
    for (const length of [6, 44]) {
      const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
      const response = await rawRequest(
        gateway.port,
        `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n` +
          `Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
      );
      assert.equal(response.status, 400);
    }
    assert.equal(seen.requests, 0);
  });
});

const RESPOND: RouteOptions = {
  path: "/fixed",
  methods: undefined,
  handler: { kind: "respond", status: 200, body: "fixed\n" },
};

/** Sends a request whose body nobody reads, then another on the same connection. */
async function sendBehindUnread(gateway: Gateway, unread: HttpRequest): Promise<string> {
  const connection = await HttpConnection.open(gateway.port);
  try {
    await connection.send(unread);
    const first = await connection.readResponse(unread.method);
    await connection.send({ target: "/fixed", headers: { "X-Second": "1" } });
    let second;
    try {
      second = await connection.readResponse();
    } catch {
      return `${first.status}, closed`;
    }
    return `${first.status}, ${second.status} ${second.body.toString().trim()}`;
  } finally {
    connection.destroy();
  }
}

test("A body that nobody reads is never taken for the next request", async () => {
  const { application } = countingApplication();
  const routes = [RESPOND, FASTCGI_ROUTE];
  const limits = { requestBodyMax: BODY_MAX };
  await withGateway({ application, routes, limits }, async (gateway) => {
    const trap = "GET /trap HTTP/1.1\r\nHost: a\r\n\r\n";
    for (const body of [trap, trap.repeat(2000)]) {
      for (const chunked of [false, true]) {
        const tooLarge = body.length > BODY_MAX;
        for (
          const [method, target, status] of [
            ["POST", "/fixed", 200],
            ["POST", "/%zz", 400],
            ["GET", "/", tooLarge ? 413 : 200],
            ["PUT", "/", tooLarge ? 413 : 200],
          ] as const
        ) {
          const seen = await sendBehindUnread(gateway, { method, target, body, chunked });
          assert.ok(
            seen === `${status}, 200 fixed` || seen === `${status}, closed`,
            `${method} ${target} ${body.length} ${chunked}: ${seen}`,
          );
        }
      }
    }
    const trapped = gateway.access.lines.filter((line) => line["path"] === "/trap");
    assert.deepEqual(trapped, []);
  });
});

/** Uploads that break off. */
const HALVES = [
  "Content-Length: 1000\r\n\r\nhalf",
  "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
];

for (const multiplex of ["on", "off"] as const) {
  test(`A client that leaves in the middle of its upload is logged as gone, multiplex ${multiplex}`, async () => {
    const { application } = countingApplication();
    await withGateway({ application, upstream: { multiplex } }, async (gateway) => {
      for (const half of HALVES) {
        const connection = await HttpConnection.open(gateway.port);
        await connection.write(`POST /leaving HTTP/1.1\r\nHost: a\r\n${half}`);
        connection.destroy();
      }
      const lines = await gateway.access.findAll(2, (line) => line["path"] === "/leaving");
      for (const line of lines) {
        assert.equal(line["code"], "client_gone");
        assert.equal(line["status"], 499);
      }
    });
  });
}
