/**
 * What meets on a connection: PROXY headers with every kind of listener and both versions of HTTP,
 * clients' certificates and users of a file with HTTP/2, redirects to https with proxies and ports.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import type { Address } from "../../src/runtime/address.ts";
import { selfSigned, signedBy } from "../support/certificates.ts";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { echoParameters, freshPath, type Gateway } from "../support/gateway.ts";
import { SocketHttp2Client } from "../support/http2_socket.ts";
import { missingPeer } from "../support/peers.ts";
import { temporaryDirectory } from "../support/places.ts";

const skip = missingPeer("openssl") ?? false;
const NAMES = "subjectAltName=DNS:a.test,DNS:b.test";
const AUTHORITY = "basicConstraints=critical,CA:TRUE";

function opened(address: Address): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = address.transport === "tcp"
      ? connect(address.port, "127.0.0.1", () => resolve(socket))
      : connect(address.path, () => resolve(socket));
    socket.once("error", reject);
  });
}

function secured(tcp: Socket, options: ConnectionOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const all = { socket: tcp, servername: "a.test", rejectUnauthorized: false, ...options };
    const socket = connectTls(all, () => resolve(socket));
    socket.once("error", reject);
  });
}

/** Status and body, with one request that the server ends the connection after. */
function overHttp1(socket: Socket, target: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve) => {
    let text = "";
    socket.on("data", (bytes) => text += String(bytes));
    socket.on("error", () => {});
    socket.on("close", () => {
      const bodyOffset = text.indexOf("\r\n\r\n") + 4;
      resolve({ status: Number(text.slice(9, 12)), body: text.slice(bodyOffset) });
    });
    socket.write(`GET ${target} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`);
  });
}

async function overHttp2(socket: Socket, target: string, scheme: string) {
  const client = SocketHttp2Client.over(socket, scheme);
  const { status, body } = await client.fetch({ target, headers: { Host: "a.test" } });
  client.destroy();
  return { status, body: Buffer.from(body).toString() };
}

const PROXIED = "PROXY TCP4 192.0.2.7 10.0.0.1 4660 443\r\n";
const FAR_PROXIED = "PROXY TCP6 2001:db8::9 ::1 4660 443\r\n";

for (const place of ["tcp", "unix"] as const) {
  for (const isTls of place === "unix" ? [false] : [false, true]) {
    for (const version of [1, 2]) {
      const what = `${place}${isTls ? " with TLS" : ""}, HTTP/${version}`;
      test(`A PROXY header tells whose connection it is: ${what}`, { skip }, async () => {
        const { certPath, keyPath } = selfSigned("/CN=a.test", NAMES);
        const address = place === "unix" ? `unix:${freshPath()}` : "127.0.0.1:0";
        const text = `
listen:
  - address: "${address}"
    proxy_protocol: [${place === "unix" ? "unix" : "127.0.0.1"}]
    ${isTls ? "tls: {}" : ""}
${isTls ? "" : `  - { address: "127.0.0.1:0", tls: {} }`}
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
        await withConfig(options, async ({ app }) => {
          const ask = async (header: string, target: string) => {
            const tcp = await opened(app.addresses[0]!);
            tcp.write(header);
            const protocol = version === 1 ? "http/1.1" : "h2";
            const socket = isTls ? await secured(tcp, { ALPNProtocols: [protocol] }) : tcp;
            if (version === 1) return await overHttp1(socket, target);
            return await overHttp2(socket, target, isTls ? "https" : "http");
          };
          assert.equal((await ask(PROXIED, "/inside")).status, 200);
          assert.equal((await ask(FAR_PROXIED, "/inside")).status, 403);
          const { body } = await ask(FAR_PROXIED, "/");
          assert.ok(body.includes('"REMOTE_ADDR":"2001:db8::9"'), body);
        });
      });
    }
  }
}

test("Over HTTP/2 a certificate opens its own site, whatever else the connection asks for", {
  skip,
}, async () => {
  const authority = selfSigned("/CN=Authority", AUTHORITY);
  const alice = signedBy(authority, "/CN=Alice");
  const { certPath, keyPath } = selfSigned("/CN=both", NAMES);
  const tls = `tls: { cert: "${certPath}", key: "${keyPath}" }`;
  const asks = `client_auth: { ca: "${authority.certPath}" }`;
  const other = selfSigned("/CN=Other", AUTHORITY);
  const text = `
listen: [{ address: "127.0.0.1:0", tls: {} }]
${APP_UPSTREAM}
sites:
  - { hosts: [a.test], ${tls}, ${asks}, routes: [{ fastcgi: { upstream: app } }] }
  - { hosts: [b.test], ${tls}, client_auth: { ca: "${other.certPath}" }, routes: [{ fastcgi: { upstream: app } }] }
  - { hosts: [c.test], ${tls}, routes: [{ fastcgi: { upstream: app } }] }
`;
  const options = { text, application: echoParameters, listen: "file" } as const;
  await withConfig(options, async ({ port }) => {
    const client = async (servername: string, identity: object) => {
      const tcp = await opened({ transport: "tcp", host: "127.0.0.1", port });
      const socket = await secured(tcp, { ALPNProtocols: ["h2"], servername, ...identity });
      return SocketHttp2Client.over(socket, "https");
    };
    const statuses = async (servername: string, identity: object = {}) => {
      const connection = await client(servername, identity);
      const found: number[] = [];
      for (const Host of ["a.test", "b.test", "c.test", "a.test"]) {
        found.push((await connection.fetch({ headers: { Host } })).status);
      }
      connection.destroy();
      return found;
    };
    const { cert, key } = alice;
    assert.deepEqual(await statuses("a.test", { cert, key }), [200, 421, 200, 200]);
    assert.deepEqual(await statuses("a.test"), [400, 421, 200, 400]);
    assert.deepEqual(await statuses("b.test", { cert, key }), [421, 400, 200, 421]);
    assert.deepEqual(await statuses("c.test", { cert, key }), [421, 421, 200, 421]);
  });
});

/** `$2y$04$…` of "secret". */
const BCRYPT = "$2y$04$hw/m58m10EwjFyPB1W/x9uYUOVxviHHf6TUgMc0VajgevCQKshk0u";

test("Users of a file behind trusted proxies, over HTTP/2 as over HTTP/1", async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "users"), `anna:${BCRYPT}\n`);
  const text = `
${APP_UPSTREAM}
sites:
  - trusted_proxies: [127.0.0.1]
    basic_auth: { realm: inside, file: users }
    routes:
      - { path: /inside, ip_restriction: { allow: [192.0.2.0/24] }, fastcgi: { upstream: app } }
      - fastcgi: { upstream: app }
`;
  const options = { text, directory, application: echoParameters };
  await withConfig(options, async (gateway: Gateway) => {
    const http2 = await SocketHttp2Client.open(gateway.port);
    const ways = { "HTTP/1": gateway.send, "HTTP/2": http2.fetch.bind(http2) };
    for (const [way, send] of Object.entries(ways)) {
      const ask = (target: string, password: string, client: string) => {
        const basic = Buffer.from(`anna:${password}`).toString("base64");
        const headers = {
          Host: "a.test",
          Authorization: `Basic ${basic}`,
          "X-Forwarded-For": client,
          "X-Forwarded-Proto": "https",
        };
        return send({ target, headers });
      };
      assert.equal((await ask("/", "wrong", "192.0.2.1")).status, 401, way);
      assert.equal((await ask("/inside", "secret", "198.51.100.1")).status, 403, way);
      const { status, body } = await ask("/inside", "secret", "192.0.2.1");
      assert.equal(status, 200, way);
      const told = JSON.parse(Buffer.from(body).toString());
      const { REMOTE_ADDR, REMOTE_USER, AUTH_TYPE, HTTPS } = told;
      assert.deepEqual(
        { REMOTE_ADDR, REMOTE_USER, AUTH_TYPE, HTTPS },
        { REMOTE_ADDR: "192.0.2.1", REMOTE_USER: "anna", AUTH_TYPE: "Basic", HTTPS: "on" },
        way,
      );
    }
    http2.destroy();
  });
});

/** How plain HTTP comes in, and where it is sent. */
const REDIRECTS: readonly {
  readonly what: string;
  readonly listen: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly location: (tlsPort: number) => string | undefined;
}[] = [
  {
    what: "a client itself",
    listen: "",
    headers: { Host: "a.test:8080" },
    location: (port) => `https://a.test:${port}/x?y`,
  },
  {
    what: "a client itself that says that it is a proxy",
    listen: "",
    headers: { Host: "a.test", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1" },
    location: (port) => `https://a.test:${port}/x?y`,
  },
  {
    what: "a trusted proxy's client over plain HTTP",
    listen: "trusted_proxies: [127.0.0.1]",
    headers: { Host: "a.test", "X-Forwarded-Proto": "http", "X-Forwarded-For": "192.0.2.1" },
    location: () => "https://a.test/x?y",
  },
  {
    what: "a trusted proxy's client on another port of the proxy's",
    listen: "trusted_proxies: [127.0.0.1]",
    headers: { Host: "a.test:8080", "X-Forwarded-Proto": "http", "X-Forwarded-For": "192.0.2.1" },
    location: () => "https://a.test/x?y",
  },
  {
    what: "a trusted proxy's client over TLS",
    listen: "trusted_proxies: [127.0.0.1]",
    headers: { Host: "a.test", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1" },
    location: () => undefined,
  },
];

for (const { what, listen, headers, location } of REDIRECTS) {
  for (const version of [1, 2]) {
    test(`To https over HTTP/${version}: ${what}`, { skip }, async () => {
      const { certPath, keyPath } = selfSigned("/CN=a.test", NAMES);
      const text = `
listen: ["127.0.0.1:0", { address: "127.0.0.1:0", tls: {} }]
sites:
  - hosts: [a.test]
    tls: { cert: "${certPath}", key: "${keyPath}" }
    ${listen}
    routes: [{ respond: { body: fine } }]
`;
      await withConfig({ text, listen: "file" }, async (gateway) => {
        const second = gateway.app.addresses[1];
        const tlsPort = second?.transport === "tcp" ? second.port : 0;
        const http2 = await SocketHttp2Client.open(gateway.port);
        const request = { target: "/x?y", headers };
        const response = version === 1 ? await gateway.send(request) : await http2.fetch(request);
        const expected = location(tlsPort);
        assert.equal(response.status, expected === undefined ? 200 : 308);
        assert.equal(response.headers.get("location") ?? undefined, expected);
        http2.destroy();
      });
    });
  }
}
