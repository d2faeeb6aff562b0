/**
 * The same requests count the same with four threads as with one: every family of /metrics that does not
 * speak of threads, of times or of connections, and what /status says of upstreams.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { CERTIFICATE, PRIVATE_KEY } from "../runtime/certificate.ts";
import { ADMIN } from "../support/admin.ts";
import { Afcgi } from "../support/afcgi.ts";
import { SocketHttp2Client } from "../support/http2_socket.ts";
import { KeptClient } from "../support/kept_client.ts";
import { missingPeer } from "../support/peers.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePort, temporaryDirectory } from "../support/places.ts";
import { httpRequest, rawRequest } from "../support/raw_http.ts";

const CLIENTS = 12;
/** Of the process, of its threads, of times; and what connections of several threads differ in. */
const OTHERS =
  /^(process_|afcgi_worker_|afcgi_event_loop_|afcgi_build_|.*_(bucket|sum)\b|.*_seconds\b|.*_timestamp_|afcgi_upstream_(connects_total|connections)\b)/;

interface World {
  readonly afcgi: Afcgi;
  readonly securePort: number;
  readonly adminPort: number;
}

async function ask({ adminPort }: World, target: string): Promise<string> {
  const { body } = await httpRequest(adminPort, { target, headers: { Host: "localhost" } });
  return body.toString();
}

async function samples(world: World): Promise<Readonly<Record<string, number>>> {
  const lines = (await ask(world, "/metrics")).split("\n").filter((line) => /^[a-z]/.test(line));
  const kept = lines.filter((line) => !OTHERS.test(line)).map((line) => {
    const at = line.lastIndexOf(" ");
    return [line.slice(0, at), Number(line.slice(at + 1))] as const;
  });
  return Object.fromEntries(kept);
}

/** Each thing that clients do, by clients of every thread. */
async function makeRequests({ afcgi: { port }, securePort }: World): Promise<void> {
  for (let client = 0; client < CLIENTS; client++) {
    const kept = await KeptClient.connect({ port });
    for (const target of ["/hello.txt", "/a.php", "/missing.txt", "/none.php", "/down"]) {
      await kept.get(target);
    }
    kept.close();
    await rawRequest(port, "GET / HTTP/1.1\r\n\r\n");
    await httpRequest(port, { method: "POST", target: "/a.php", body: "x".repeat(2_000) });
    await leave(securePort, "this is no TLS, whatever else it is\r\n\r\n");
    const http2 = await SocketHttp2Client.open(port);
    await http2.fetch({ target: "/a.php" });
    http2.destroy();
  }
}

async function leave(port: number, text: string): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {}).resume();
  socket.write(text);
  await new Promise((resolve) => socket.on("close", resolve));
}

async function withThreads(
  workers: number,
  fpmPort: number,
  root: string,
  use: (world: World) => Promise<void>,
): Promise<void> {
  const directory = temporaryDirectory();
  const [cert, key] = [join(directory, "tls.crt"), join(directory, "tls.key")];
  writeFileSync(cert, CERTIFICATE);
  writeFileSync(key, PRIVATE_KEY);
  const afcgi = await Afcgi.start({
    config: {
      ...ADMIN,
      workers,
      listen: ["127.0.0.1:0", { address: "127.0.0.1:0", tls: { cert, key } }],
      limits: { request_body: 1_000, http: { connections: 100 } },
      upstreams: {
        php: { servers: [`tcp://127.0.0.1:${fpmPort}`], connections: { max: 4 } },
        down: { servers: ["tcp://127.0.0.1:1"], retry: { attempts: 1 } },
      },
      sites: [{
        root,
        routes: [
          { path: "/down", fastcgi: { upstream: "down" } },
          { static: {} },
          { php: { upstream: "php" } },
        ],
      }],
    },
  });
  const portOf = async (matches: Parameters<Afcgi["waitForLog"]>[0]) =>
    Number(/:(\d+)$/.exec(String((await afcgi.waitForLog(matches)).address))![1]);
  try {
    const adminPort = await portOf((line) => line["for"] === "admin");
    const securePort = await portOf(({ scheme }) => scheme === "https");
    await use({ afcgi, adminPort, securePort });
  } finally {
    await afcgi.stop();
  }
}

test("Metrics and status say the same of the same requests, with one thread and with four", {
  skip: missingPeer("php-fpm"),
}, async () => {
  const directory = temporaryDirectory();
  const root = join(directory, "www");
  mkdirSync(root);
  writeFileSync(join(root, "hello.txt"), "hello");
  writeFileSync(join(root, "a.php"), "<?php echo 'ok'; error_log('a line');");
  const port = await freePort();
  const place = { network: "tcp", host: "127.0.0.1", port } as const;
  const fpm = await startPhpFpm({ directory, place, children: 4 });
  const seen: Readonly<Record<string, number>>[] = [];
  const statuses: unknown[] = [];
  for (const workers of [1, 4]) {
    await withThreads(workers, port, root, async (world) => {
      await makeRequests(world);
      await new Promise((resolve) => setTimeout(resolve, 500));
      seen.push(await samples(world));
      const { upstreams } = JSON.parse(await ask(world, "/status"));
      statuses.push(upstreams.map((
        { name, requests_open, queue_length, servers }: Record<string, unknown>,
      ) => [
        name,
        requests_open,
        queue_length,
        (servers as Record<string, unknown>[]).map(({ mode, up, leaving }) => [mode, up, leaving]),
      ]));
    });
  }
  await fpm.stop("SIGTERM");
  assert.ok(Object.keys(seen[0]!).length > 40, `${Object.keys(seen[0]!).length} samples`);
  const differing = Object.keys({ ...seen[0], ...seen[1] })
    .filter((name) => seen[0]![name] !== seen[1]![name])
    .map((name) => `${name}: ${seen[0]![name]} with one thread, ${seen[1]![name]} with four`);
  assert.deepEqual(differing, []);
  assert.deepEqual(statuses[1], statuses[0]);
});
