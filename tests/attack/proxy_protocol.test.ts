/**
 * Who says whose connection it is: the proxies that are named, whole headers, in time. A stranger's
 * header, half of one, or none is a closed connection, over TLS and without, and no address of its
 * own choice ever reaches an access rule.
 */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { test } from "node:test";
import { CONNECTION_TIMEOUTS } from "../../src/http1/server.ts";
import {
  PROXIED_MAX,
  PROXY_HEADER_LENGTH_MAX,
  readProxyHeader,
} from "../../src/runtime/proxy_header.ts";
import { selfSigned } from "../support/certificates.ts";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { echoParameters, type Gateway } from "../support/gateway.ts";
import { missingPeer } from "../support/peers.ts";
import { waitUntil } from "../support/places.ts";

const skip = missingPeer("openssl") ?? false;

const ascii = (text: string) => new TextEncoder().encode(text);
const SIGNATURE = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10];

function binary(command: number, family: number, body: readonly number[]): Uint8Array {
  return Uint8Array.from([
    ...SIGNATURE,
    command,
    family,
    body.length >> 8,
    body.length & 255,
    ...body,
  ]);
}

const TLV = [0x04, 0, 3, 1, 2, 3];
const V4 = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80];
const V6 = [
  ...[0x20, 1, 0xd, 0xb8],
  ...new Array<number>(11).fill(0),
  9,
  ...new Array<number>(16).fill(1),
  0,
  7,
  1,
  187,
];

const GOOD: readonly [string, Uint8Array, { host: string; port: number } | undefined][] = [
  ["v1 of IPv4", ascii("PROXY TCP4 192.0.2.7 10.0.0.1 4660 80\r\n"), {
    host: "192.0.2.7",
    port: 4660,
  }],
  ["v1 of IPv6", ascii("PROXY TCP6 2001:DB8:0::9 ::1 7 443\r\n"), { host: "2001:db8::9", port: 7 }],
  ["v1 of nobody", ascii("PROXY UNKNOWN 1 2 3 4\r\n"), undefined],
  ["v2 of IPv4", binary(0x21, 0x11, [...V4, ...TLV]), { host: "192.0.2.7", port: 4660 }],
  ["v2 of IPv6", binary(0x21, 0x21, V6), { host: "2001:db8::9", port: 7 }],
  ["v2 LOCAL", binary(0x20, 0x00, []), undefined],
  ["v2 LOCAL with addresses", binary(0x20, 0x11, V4), undefined],
  ["v2 of nobody", binary(0x21, 0x00, TLV), undefined],
  ["IPv4 in IPv6", ascii("PROXY TCP6 ::ffff:192.0.2.7 ::1 7 443\r\n"), {
    host: "192.0.2.7",
    port: 7,
  }],
];

const BAD: readonly [string, Uint8Array][] = [
  ["a request", ascii("GET / HTTP/1.1\r\n\r\n")],
  ["a name", ascii("PROXY TCP4 localhost 10.0.0.1 1 2\r\n")],
  ["families that differ", ascii("PROXY TCP4 ::1 ::1 1 2\r\n")],
  ["a port too high", ascii("PROXY TCP4 192.0.2.7 10.0.0.1 65536 80\r\n")],
  ["a port with a zero", ascii("PROXY TCP4 192.0.2.7 10.0.0.1 080 80\r\n")],
  ["two blanks", ascii("PROXY TCP4  192.0.2.7 10.0.0.1 1 80\r\n")],
  ["no CR", ascii("PROXY TCP4 192.0.2.7 10.0.0.1 1 80\n")],
  ["a line without an end", ascii(`PROXY UNKNOWN ${"x".repeat(120)}`)],
  ["lower case", ascii("proxy TCP4 192.0.2.7 10.0.0.1 1 80\r\n")],
  ["version 3", binary(0x31, 0x11, V4)],
  ["an unknown command", binary(0x22, 0x11, V4)],
  ["datagrams", binary(0x21, 0x12, V4)],
  ["addresses that are cut", binary(0x21, 0x11, V4.slice(0, 8))],
  [
    "a header beyond the limit",
    Uint8Array.from([...SIGNATURE, 0x21, 0x11, PROXY_HEADER_LENGTH_MAX >> 8, 255]),
  ],
];

test("A PROXY header is read to its last byte, however it is cut, and no further", () => {
  for (const [what, bytes, client] of GOOD) {
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(readProxyHeader(bytes.subarray(0, length)), undefined, `${what} ${length}`);
    }
    const followed = Uint8Array.from([...bytes, 0x16, 3, 1]);
    assert.deepEqual(readProxyHeader(followed), { length: bytes.length, client }, what);
  }
  for (const [what, bytes] of BAD) assert.equal(readProxyHeader(bytes), null, what);
});

interface Listeners extends Gateway {
  readonly plain: number;
  readonly secure: number;
}

async function withListeners(
  networks: string,
  use: (world: Listeners) => Promise<void>,
  timeout = "1s",
): Promise<void> {
  const { certPath, keyPath } = selfSigned("/CN=a.test", "subjectAltName=DNS:a.test");
  const text = `
listen:
  - { address: "127.0.0.1:0", proxy_protocol: ${networks} }
  - { address: "127.0.0.1:0", proxy_protocol: ${networks}, tls: {} }
limits: { http: { head_timeout: ${timeout}, handshake_timeout: ${timeout} } }
${APP_UPSTREAM}
sites:
  - hosts: [a.test]
    tls: { cert: "${certPath}", key: "${keyPath}" }
    https: allow
    routes:
      - { path: /inside, ip_restriction: { allow: [192.0.2.0/24] }, fastcgi: { upstream: app } }
      - fastcgi: { upstream: app }
`;
  const options = { text, application: echoParameters, listen: "file" } as const;
  await withConfig(options, async (gateway) => {
    const [plain = 0, secure = 0] = gateway.app.addresses.map((one) =>
      one.transport === "tcp" ? one.port : 0
    );
    await use({ ...gateway, plain, secure });
  });
}

/** What comes back until the end; in two pieces, so that headers are cut. */
function exchange(port: number, header: Uint8Array, isTls: boolean, target = "/"): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const tcp: Socket = connect(port, "127.0.0.1");
    const done = () => resolve(text);
    tcp.on("error", done);
    tcp.on("close", done);
    tcp.on("connect", () => {
      const middle = Math.floor(header.length / 2);
      tcp.write(header.subarray(0, middle));
      setTimeout(() => {
        tcp.write(header.subarray(middle));
        const speak = (socket: Socket) => {
          socket.on("data", (bytes) => text += String(bytes));
          socket.on("error", done);
          socket.on("close", done);
          socket.write(`GET ${target} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`);
        };
        if (!isTls) return speak(tcp);
        const options = { socket: tcp, servername: "a.test", rejectUnauthorized: false };
        const socket = connectTls(options, () => speak(socket));
        socket.on("error", done);
      }, 5);
    });
  });
}

test(
  "The address of a named proxy's header is the client's: rules, logs, parameters",
  { skip },
  async () => {
    await withListeners("[127.0.0.1]", async ({ plain, secure, access }) => {
      for (const [port, isTls] of [[plain, false], [secure, true]] as const) {
        for (const [what, header, client] of GOOD) {
          const text = await exchange(port, header, isTls);
          assert.match(text, /^HTTP\/1\.1 200 /, `${what} ${isTls}`);
          const address = client?.host ?? "127.0.0.1";
          assert.ok(text.includes(`"REMOTE_ADDR":"${address}"`), `${what}: ${text}`);
          const inside = await exchange(port, header, isTls, "/inside");
          const expected = client?.host.startsWith("192.0.2.") ? 200 : 403;
          assert.match(inside, new RegExp(`^HTTP/1\\.1 ${expected} `), what);
        }
      }
      assert.ok(await access.find((line) => line["client"] === "2001:db8::9"));
    });
  },
);

test(
  "A stranger's header, and what is none, closes the connection without a word",
  { skip },
  async () => {
    const good = GOOD[0]![1];
    await withListeners("[10.0.0.0/8]", async ({ plain, secure, log }) => {
      for (const [port, isTls] of [[plain, false], [secure, true]] as const) {
        assert.equal(await exchange(port, good, isTls), "");
        assert.equal(await exchange(port, ascii(""), isTls), "", "nor without a header");
      }
      assert.ok(await log.find((line) => line["code"] === "proxy_protocol_refused"));
    });
    await withListeners("[127.0.0.1]", async ({ plain, secure }) => {
      for (const [port, isTls] of [[plain, false], [secure, true]] as const) {
        for (const [what, header] of BAD) {
          assert.equal(await exchange(port, header, isTls), "", what);
        }
        assert.equal(await exchange(port, ascii(""), isTls), "", "it is required");
      }
    });
  },
);

test("A header that does not come is waited for no longer than a request's", { skip }, async () => {
  assert.ok(CONNECTION_TIMEOUTS.headersMs > 0);
  await withListeners("[127.0.0.1]", async ({ plain, secure, log }) => {
    for (const port of [plain, secure]) {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => {});
      socket.write("PROXY ");
      await new Promise((resolve) => socket.once("close", resolve));
    }
    const lines = await log.findAll(1, (line) => String(line["detail"]).includes("in time"));
    assert.ok(lines.length >= 1);
  });
});

test("As many as may wait for their header wait, and no more, with TLS and without", {
  skip,
}, async () => {
  await withListeners("[127.0.0.1]", async ({ plain, secure, log }) => {
    for (const [port, isTls] of [[plain, false], [secure, true]] as const) {
      const gone = new Set<Socket>();
      const sockets: Socket[] = [];
      for (let count = 0; count < PROXIED_MAX + 20; count++) {
        const socket = connect(port, "127.0.0.1");
        sockets.push(socket);
        socket.on("error", () => {});
        socket.on("close", () => gone.add(socket));
        // One that is cut at once may never know that it was connected.
        await new Promise<void>((resolve) => {
          socket.once("connect", resolve);
          socket.once("close", () => resolve());
        });
        if (!socket.destroyed) socket.write("PROXY ");
      }
      await waitUntil(() => gone.size >= 20, "those over the limit are cut");
      const line = await log.find(({ detail }) => String(detail).includes("Too many"));
      assert.equal(line["code"], "proxy_protocol_refused");
      for (const socket of sockets) socket.destroy();
      await waitUntil(() => gone.size === sockets.length, "all are gone");
      const text = await exchange(port, GOOD[0]![1], isTls);
      assert.match(text, /^HTTP\/1\.1 200 /, "there is room again");
    }
  }, "20s");
});
