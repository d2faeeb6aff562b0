/** Real HTTP servers behind the executable: Go's, nginx, Node's, and a WebSocket server. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { Afcgi } from "../support/afcgi.ts";
import type { Child } from "../support/child.ts";
import { untilTold } from "../support/idle.ts";
import { missingPeer } from "../support/peers.ts";
import { freePlace, temporaryDirectory, waitForListener } from "../support/places.ts";
import { HttpConnection, httpRequest } from "../support/raw_http.ts";
import { runPeer, startPeer } from "./application.ts";

const MIB = 1024 * 1024;
const BUILD_CACHE = fileURLToPath(new URL("../../dist/.go-cache", import.meta.url));
const SOURCE = fileURLToPath(new URL("apps/http/main.go", import.meta.url));
const NODE_APP = `
const http = require("node:http");
http.createServer((request, response) => {
  let length = 0;
  request.on("data", (bytes) => length += bytes.length);
  request.on("end", () => response.end("node " + request.url + " " + length));
}).listen(Number(process.argv[1]), "127.0.0.1");
`;

const skip = missingPeer("go") || missingPeer("nginx");
const children: Child[] = [];
let afcgi: Afcgi;
let sockets: ReturnType<typeof serveWebSockets>;

/** Bun's own WebSocket server: it greets, echoes, and closes when it is told to. */
function serveWebSockets() {
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request, server) {
      if (server.upgrade(request)) return undefined;
      return new Response("no socket", { status: 426 });
    },
    websocket: {
      open: (socket) => void socket.send("welcome"),
      message(socket, message) {
        if (message === "bye") socket.close(4001, "as you wish");
        else socket.send(message);
      },
    },
  });
}

before(async () => {
  if (skip) return;
  const directory = temporaryDirectory();
  const [go, node, nginx] = await Promise.all(
    [1, 2, 3].map(() => freePlace("tcp", directory)),
  );
  const port = (place: typeof go) => {
    assert.ok(place?.network === "tcp");
    return place.port;
  };
  await runPeer("go", ["build", "-o", join(directory, "app"), SOURCE], {
    GOCACHE: BUILD_CACHE,
    GO111MODULE: "off",
  });
  children.push(startPeer(join(directory, "app"), [`127.0.0.1:${port(go)}`]));
  children.push(startPeer("node", ["-e", NODE_APP, String(port(node))]));
  writeFileSync(
    join(directory, "nginx.conf"),
    `daemon off; pid ${directory}/nginx.pid; error_log stderr; worker_processes 1;
events {} http { access_log off; client_body_temp_path ${directory}/b; proxy_temp_path ${directory}/p;
fastcgi_temp_path ${directory}/f; uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
server { listen 127.0.0.1:${port(nginx)}; location / { return 200 "nginx $request_uri"; }
location /gone { return 444; } } }`,
  );
  children.push(startPeer("nginx", ["-c", join(directory, "nginx.conf")]));
  for (const place of [go, node, nginx]) await waitForListener(place!);
  sockets = serveWebSockets();
  afcgi = await Afcgi.start({
    config: {
      upstreams: {
        go: { http: [`127.0.0.1:${port(go)}`] },
        node: { http: [`http://127.0.0.1:${port(node)}`] },
        nginx: { http: [`127.0.0.1:${port(nginx)}`] },
        ws: { http: [`127.0.0.1:${sockets.port}`] },
      },
      sites: [{
        routes: [
          { path: "/app/*", proxy: { upstream: "ws" } },
          { path: "/node/*", strip_prefix: "/node", proxy: { upstream: "node" } },
          { path: "/nginx/*", strip_prefix: "/nginx", proxy: { upstream: "nginx" } },
          {
            path: "/guarded/*",
            forward_auth: { upstream: "go", uri: "/verify", copy_headers: ["Remote-User"] },
            respond: { body: "inside" },
          },
          { proxy: { upstream: "go" } },
        ],
      }],
    },
  });
});

after(async () => {
  if (skip) return;
  await afcgi.stop();
  for (const child of children) await child.stop();
  void sockets.stop(true);
});

test(
  "A Go API gets requests as they were sent, with bodies of either framing",
  { skip },
  async () => {
    const body = Buffer.alloc(3 * MIB, "abc");
    const sum = createHash("sha256").update(body).digest("hex");
    for (const chunked of [false, true]) {
      const got = await httpRequest(afcgi.port, {
        method: "PUT",
        target: "/api/echo?a=%2F",
        headers: { Host: "shop.example" },
        body,
        chunked,
      });
      assert.equal(got.body.toString(), `PUT shop.example /api/echo?a=%2F ${sum}`);
      assert.equal(got.headers.get("x-length"), String(body.length));
      assert.equal(got.headers.get("x-framing"), chunked ? "-1 [chunked]" : `${body.length} []`);
      assert.equal(got.headers.get("x-for"), "127.0.0.1");
    }
  },
);

test("A long response comes whole and without its trailer, eight at a time", { skip }, async () => {
  const all = await Promise.all(
    Array.from({ length: 8 }, () => httpRequest(afcgi.port, { target: "/api/big" })),
  );
  for (const got of all) {
    assert.equal(got.body.length, 32 * MIB);
    assert.equal(got.complete, true);
    assert.equal(got.headers.has("trailer"), false);
  }
});

test("A response that breaks off is cut for the client, too", { skip }, async () => {
  const got = await httpRequest(afcgi.port, { target: "/api/abort" });
  assert.equal(got.complete, false);
});

test("Events arrive one by one", { skip }, async () => {
  const client = await HttpConnection.open(afcgi.port);
  await client.write("GET /api/events HTTP/1.1\r\nHost: a\r\n\r\n");
  const times: number[] = [];
  for (let count = 0; count < 3; count++) {
    await client.readUntil(`data: ${count}\n\n`);
    times.push(performance.now());
  }
  assert.ok(times[2]! - times[0]! > 200, "not all at once");
  client.destroy();
});

test(
  "Node's and nginx's servers are kept in touch with, and asked again when they close",
  { skip },
  async () => {
    for (let count = 0; count < 20; count++) {
      const node = await httpRequest(afcgi.port, {
        method: "POST",
        target: "/node/x?y=1",
        body: "abc",
      });
      assert.equal(node.body.toString(), "node /x?y=1 3");
      const nginx = await httpRequest(afcgi.port, { target: "/nginx/a%20b" });
      assert.equal(nginx.body.toString(), "nginx /a%20b");
    }
    const gone = await httpRequest(afcgi.port, { target: "/nginx/gone" });
    assert.equal(gone.status, 502);
  },
);

test(
  "A WebSocket goes through: greeting, texts, bytes, and how it was closed",
  { skip },
  async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${afcgi.port}/app/key?protocol=7`);
    socket.binaryType = "arraybuffer";
    const messages: unknown[] = [];
    let wake = (): void => {};
    socket.onmessage = ({ data }) => {
      messages.push(data);
      wake();
    };
    const next = async (): Promise<unknown> => {
      await untilTold(() => messages.length > 0, (woken) => wake = woken, "a message");
      return messages.shift();
    };
    assert.equal(await next(), "welcome");
    socket.send("hello");
    assert.equal(await next(), "hello");
    const big = new Uint8Array(2 * MIB).fill(7);
    socket.send(big);
    const echoed = new Uint8Array(await next() as ArrayBuffer);
    assert.equal(Buffer.compare(echoed, big), 0);
    const closed = new Promise<{ code: number; reason: string }>((resolve) => {
      socket.onclose = ({ code, reason }) => resolve({ code, reason });
    });
    socket.send("bye");
    assert.deepEqual(await closed, { code: 4001, reason: "as you wish" });
    const line = await afcgi.waitForAccess(({ path }) => path === "/app/key?protocol=7");
    assert.equal(line["status"], 101);
    assert.ok(Number(line["bytes_in"]) > big.length);
  },
);

test("A hundred WebSockets talk at the same time", { skip }, async () => {
  await Promise.all(Array.from({ length: 100 }, async (_, index) => {
    const socket = new WebSocket(`ws://127.0.0.1:${afcgi.port}/app/${index}`);
    await new Promise<void>((resolve, reject) => {
      let count = 0;
      socket.onerror = () => reject(new Error(`socket ${index} broke`));
      socket.onmessage = ({ data }) => {
        if (data !== "welcome") assert.equal(data, `${index} ${count}`);
        if (++count > 20) resolve();
        else socket.send(`${index} ${count}`);
      };
    });
    socket.close();
  }));
});

test("A server that is asked lets a request in, or says where to log in", { skip }, async () => {
  const out = await httpRequest(afcgi.port, { target: "/guarded/a?b=c" });
  assert.equal(out.status, 302);
  assert.equal(out.headers.get("location"), "/login?rd=/guarded/a?b=c");
  const inside = await httpRequest(afcgi.port, {
    target: "/guarded/a",
    headers: { Cookie: "session=good" },
  });
  assert.equal(inside.body.toString(), "inside");
});

test("The bound of tunnels holds for the process, whatever threads serve", { skip }, async () => {
  const threaded = await Afcgi.start({
    config: {
      workers: 2,
      upstreams: { ws: { http: [`127.0.0.1:${sockets.port}`], tunnels: { max: 3 } } },
      sites: [{ routes: [{ proxy: { upstream: "ws" } }] }],
    },
  });
  const results: string[] = [];
  const open: WebSocket[] = [];
  for (let count = 0; count < 8; count++) {
    const socket = new WebSocket(`ws://127.0.0.1:${threaded.port}/${count}`);
    open.push(socket);
    results.push(
      await new Promise<string>((resolve) => {
        socket.onmessage = () => resolve("open");
        socket.onerror = () => resolve("refused");
      }),
    );
  }
  assert.deepEqual(results.filter((result) => result === "open").length, 3);
  open[0]!.close();
  for (let count = 0, isOpen = false; !isOpen; count++) {
    assert.ok(count < 100, "a place is free again");
    const socket = new WebSocket(`ws://127.0.0.1:${threaded.port}/again${count}`);
    isOpen = await new Promise<boolean>((resolve) => {
      socket.onmessage = () => resolve(true);
      socket.onerror = () => resolve(false);
    });
    open.push(socket);
  }
  for (const socket of open) socket.close();
  await threaded.stop();
});
