/**
 * HTTP/2 together with what else a gateway does: proxies that say whose connection it is, refusals in
 * the middle of an upload, files in an application's place, early hints, ends of all kinds. That the
 * same request gets the same response as over HTTP/1 is in same_over_http2.test.ts.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { test } from "node:test";
import { Setting } from "../../src/http2/constants.ts";
import { selfSigned } from "../support/certificates.ts";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { FaultPeer, ResponseRecords } from "../support/fault_peer.ts";
import { echoParameters, freshPath, withGateway } from "../support/gateway.ts";
import { requestFields, setting } from "../support/http2_client.ts";
import { SocketHttp2Client } from "../support/http2_socket.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** A client behind a proxy: its header goes first. */
function openProxied(port: number, header: string, isTls: boolean): Promise<SocketHttp2Client> {
  return new Promise((resolve, reject) => {
    const tcp = connect(port, "127.0.0.1", () => {
      tcp.write(header);
      if (!isTls) return resolve(SocketHttp2Client.over(tcp));
      const socket = connectTls({
        socket: tcp,
        servername: "a.test",
        ALPNProtocols: ["h2"],
        rejectUnauthorized: false,
      }, () => resolve(SocketHttp2Client.over(socket)));
      socket.once("error", reject);
    });
    tcp.once("error", reject);
  });
}

test("A proxy's header goes before HTTP/2, over TLS and in cleartext", async () => {
  const { certPath, keyPath } = selfSigned("/CN=a.test", "subjectAltName=DNS:a.test");
  const text = `
listen:
  - { address: "127.0.0.1:0", proxy_protocol: [127.0.0.1] }
  - { address: "127.0.0.1:0", proxy_protocol: [127.0.0.1], tls: { cert: "${certPath}", key: "${keyPath}" } }
${APP_UPSTREAM}
sites: [{ routes: [{ path: /inside, ip_restriction: { allow: [192.0.2.0/24] }, fastcgi: { upstream: app } }, { fastcgi: { upstream: app } }] }]
`;
  await withConfig({ text, application: echoParameters, listen: "file" }, async ({ app }) => {
    for (const [index, isTls] of [[0, false], [1, true]] as const) {
      const address = app.addresses[index]!;
      const port = address.transport === "tcp" ? address.port : 0;
      const client = await openProxied(port, "PROXY TCP4 192.0.2.7 10.0.0.1 4660 80\r\n", isTls);
      for (const path of ["/", "/inside"]) {
        const id = client.request(requestFields("GET", path));
        await client.whole(id);
        const parameters = JSON.parse(client.text(id));
        assert.equal(parameters.REMOTE_ADDR, "192.0.2.7");
        assert.equal(parameters.SERVER_PROTOCOL, "HTTP/2.0");
      }
      client.destroy();
      const stranger = await openProxied(port, "PROXY TCP4 198.51.100.1 10.0.0.1 1 80\r\n", isTls);
      const refused = await stranger.whole(stranger.request(requestFields("GET", "/inside")));
      assert.equal(refused.status, 403);
      stranger.destroy();
    }
  });
});

test("A body beyond the limit is a 413 in the middle of its upload, and no other stream notices", async () => {
  const text = `
limits: { request_body: 64KiB }
${APP_UPSTREAM}
sites: [{ routes: [{ fastcgi: { upstream: app } }] }]
`;
  const application = async (request: Request) =>
    new Response(String((await request.arrayBuffer()).byteLength));
  await withConfig({ text, application }, async ({ port }) => {
    const client = await SocketHttp2Client.open(port);
    // Said beforehand: refused at once, and the client told to stop.
    const declared = client.request(
      requestFields("POST", "/", [["content-length", String(MIB)]]),
      false,
    );
    await client.until(() => client.response(declared).reset !== undefined);
    const { status, isWhole, reset } = client.response(declared);
    assert.deepEqual([status, isWhole, reset], [413, true, "NO_ERROR"]);
    // What is still under way to it is no error.
    client.data(declared, "x".repeat(16 * KIB), true);
    // Not said: it is found out while it comes.
    const counted = client.request(requestFields("POST", "/"), false);
    for (let sent = 0; sent < 128 * KIB && !client.response(counted).status; sent += 16 * KIB) {
      client.data(counted, "x".repeat(16 * KIB));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await client.until(() => client.response(counted).status > 0);
    assert.equal(client.response(counted).status, 413);
    const fine = client.request(requestFields("POST", "/"), false);
    client.data(fine, "x".repeat(60 * KIB), true);
    await client.whole(fine);
    assert.equal(client.text(fine), String(60 * KIB));
    assert.equal(client.goaway, undefined);
    client.destroy();
  });
});

test("A password is asked for on each stream by itself", async () => {
  const text = `
${APP_UPSTREAM}
sites: [{ routes: [{ path: /secret, basic_auth: { users: { anna: pass } }, fastcgi: { upstream: app } }, { fastcgi: { upstream: app } }] }]
`;
  await withConfig({ text, application: echoParameters }, async ({ port }) => {
    const client = await SocketHttp2Client.open(port);
    const secret = (fields: readonly (readonly [string, string])[] = []) =>
      client.request(requestFields("GET", "/secret", fields));
    const right = [["authorization", `Basic ${btoa("anna:pass")}`]] as const;
    const ids = [secret(), secret(right), secret(), secret([["authorization", "Basic x"]])];
    const statuses = [];
    for (const id of ids) statuses.push((await client.whole(id)).status);
    assert.deepEqual(statuses, [401, 200, 401, 401]);
    client.destroy();
  });
});

test("A file in an application's place comes whole, beside streams that wait", async () => {
  const root = freshPath();
  mkdirSync(root);
  writeFileSync(join(root, "large.bin"), "y".repeat(5 * MIB));
  const text = `
${APP_UPSTREAM}
sites: [{ sendfile: ["${root}"], routes: [{ path: /inner/*, fastcgi: { upstream: app } }, { fastcgi: { upstream: app } }] }]
`;
  const application = (request: Request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/file") {
      return new Response(null, { headers: { "x-sendfile": join(root, "large.bin") } });
    }
    if (pathname === "/accel") {
      return new Response(null, { headers: { "x-accel-redirect": "/inner/there" } });
    }
    return new Response(pathname);
  };
  await withConfig({ text, application }, async ({ port }) => {
    const client = await SocketHttp2Client.open(port);
    const files = [1, 2, 3].map(() => client.request(requestFields("GET", "/file")));
    for (const id of files) client.windowUpdate(id, 10 * MIB);
    const small = client.request(requestFields("GET", "/small"));
    for (const id of files) {
      const { body, isWhole } = await client.whole(id);
      assert.deepEqual([body.length, isWhole], [5 * MIB, true]);
    }
    await client.whole(small);
    assert.equal(client.text(small), "/small");
    client.destroy();
  });
});

test("Early hints of an application go out on its stream alone", async () => {
  const path = freshPath();
  const peer = await FaultPeer.start({ network: "unix", path });
  peer.behaviour = {
    onRequest: ({ id, connection }) => {
      const interim = "Status: 103\r\nLink: </a.css>; rel=preload\r\n\r\n";
      const final = "Status: 200\r\n\r\nanswer";
      connection.send(
        new ResponseRecords().stdout(id, interim).stdout(id, final).stdoutEnd(id).end(id),
      );
    },
  };
  try {
    await withGateway({ server: { transport: "unix", path } }, async ({ port }) => {
      const client = await SocketHttp2Client.open(port);
      const ids = [1, 2, 3].map(() => client.request());
      for (const id of ids) {
        const { interim, status } = await client.whole(id);
        assert.deepEqual([interim, status, client.text(id)], [[103], 200, "answer"]);
      }
      client.destroy();
    });
  } finally {
    await peer.stop();
  }
});

test("A stop lets uploads end that are under way, and takes no more requests", async () => {
  const text = `
${APP_UPSTREAM}
sites: [{ routes: [{ fastcgi: { upstream: app } }] }]
`;
  const application = async (request: Request) =>
    new Response(String((await request.arrayBuffer()).byteLength));
  await withConfig({ text, application }, async ({ port, app }) => {
    const client = await SocketHttp2Client.open(port);
    const ids = [1, 2, 3].map(() => client.request(requestFields("POST", "/"), false));
    for (const id of ids) client.data(id, "x".repeat(10 * KIB));
    client.ping();
    await client.until(() => client.of("PING").length > 0);
    const stopped = app.stop();
    await client.until(() => client.goaway !== undefined);
    assert.equal(client.goaway, "NO_ERROR");
    for (const id of ids) client.data(id, "y".repeat(10 * KIB), true);
    for (const id of ids) {
      const { status, isWhole } = await client.whole(id);
      assert.deepEqual([status, isWhole, client.text(id)], [200, true, String(20 * KIB)]);
    }
    await stopped;
    await client.until(() => client.isClosed);
  });
});

test("After as many requests as a connection may make, none that was sent is lost", async () => {
  const text = `
limits: { http: { requests_per_connection: 10 } }
${APP_UPSTREAM}
sites: [{ routes: [{ fastcgi: { upstream: app } }] }]
`;
  await withConfig({ text, application: echoParameters }, async ({ port }) => {
    for (let connection = 0; connection < 5; connection++) {
      const client = await SocketHttp2Client.open(port);
      const ids = Array.from({ length: 10 }, () => client.request());
      for (const id of ids) assert.equal((await client.whole(id)).status, 200);
      await client.until(() => client.goaway !== undefined);
      client.ping(1, client.of("PING").at(-1)!.payload);
      await client.until(() => client.isClosed);
    }
  });
});

test("A client that reads one stream not at all reads the others at full speed", async () => {
  const text = `
limits: { response_buffer: 64KiB, spill: 64MiB }
${APP_UPSTREAM}
sites: [{ routes: [{ fastcgi: { upstream: app } }] }]
`;
  const length = 8 * MIB;
  const application = (request: Request) =>
    new Response(request.url.endsWith("/large") ? new Uint8Array(length).fill(120) : "small");
  await withConfig({ text, application }, async ({ port }) => {
    const client = await SocketHttp2Client.open(port);
    client.frame("SETTINGS", 0, 0, setting(Setting.INITIAL_WINDOW_SIZE, 1000));
    const stuck = [1, 2, 3, 4].map(() => client.request(requestFields("GET", "/large")));
    for (let count = 0; count < 100; count++) {
      const id = client.request(requestFields("GET", "/small"));
      await client.whole(id);
      assert.equal(client.text(id), "small");
    }
    for (const id of stuck) client.windowUpdate(id, length);
    for (const id of stuck) {
      const { body, isWhole } = await client.whole(id);
      assert.deepEqual([body.length, isWhole], [length, true]);
    }
    client.destroy();
  });
});

test("What a length says and what comes are held against each other before the application's answer", async () => {
  const text = `
${APP_UPSTREAM}
sites: [{ routes: [{ fastcgi: { upstream: app } }] }]
`;
  const bodies: number[] = [];
  const application = async (request: Request) => {
    const body = await request.arrayBuffer().catch(() => undefined);
    if (body !== undefined) bodies.push(body.byteLength);
    return new Response("x");
  };
  await withConfig({ text, application }, async ({ port }) => {
    const client = await SocketHttp2Client.open(port);
    for (const [length, sent] of [["5", 3], ["5", 6], ["0", 1]] as const) {
      const fields = requestFields("POST", "/", [["content-length", length]]);
      const id = client.request(fields, false);
      client.data(id, "x".repeat(sent), true);
      assert.equal((await client.whole(id)).reset, "PROTOCOL_ERROR", `${length} and ${sent}`);
    }
    const fields = requestFields("POST", "/", [["content-length", "5"]]);
    const id = client.request(fields, false);
    client.data(id, "12345", true);
    await client.whole(id);
    assert.equal(client.text(id), "x");
    assert.deepEqual(bodies, [5]);
    client.destroy();
  });
});
