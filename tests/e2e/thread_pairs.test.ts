/**
 * Threads beside what else there is: sites at some listeners only, names with certificates, Gemini and
 * HTTP/3 (which the main thread serves), log files that are opened anew, applications that are started.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { ADMIN, Admin } from "../support/admin.ts";
import { Afcgi, type LogLine } from "../support/afcgi.ts";
import { selfSigned } from "../support/certificates.ts";
import { sendGemini } from "../support/gemini.ts";
import { KeptClient } from "../support/kept_client.ts";
import { missingPeer } from "../support/peers.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePort, temporaryDirectory, waitUntil } from "../support/places.ts";
import { connectionsTo } from "../support/tcp_connections.ts";

const workers = 3;
/** As many as threads, so that each has two. */
const CLIENTS = 2 * workers;

async function withAfcgi(
  options: Parameters<typeof Afcgi.start>[0],
  use: (afcgi: Afcgi, admin: Admin) => Promise<void>,
): Promise<void> {
  const afcgi = await Afcgi.start({ ...options, config: { ...ADMIN, workers, ...options.config } });
  try {
    await use(afcgi, await Admin.of(afcgi));
  } finally {
    await afcgi.stop();
  }
}

/** Of each thread some. */
async function connectAll(port: number): Promise<readonly KeptClient[]> {
  const clients: KeptClient[] = [];
  for (let count = 0; count < CLIENTS; count++) clients.push(await KeptClient.connect({ port }));
  return clients;
}

function closeAll(clients: readonly KeptClient[]): void {
  for (const client of clients) client.close();
}

async function bodies(clients: readonly KeptClient[], target: string, host?: string) {
  const texts = await Promise.all(clients.map(async (client) => {
    await client.get(target, host);
    return client.text.slice(client.text.indexOf("\r\n\r\n") + 4);
  }));
  return [...new Set(texts)];
}

test("Threads: a site is served at its own listeners alone, also after a reload", async () => {
  const [first, second] = [await freePort(), await freePort()];
  const places = [`127.0.0.1:${first}`, `127.0.0.1:${second}`];
  const site = (body: string, listen: readonly string[]) => ({
    listen,
    routes: [{ respond: { body } }],
  });
  const config = { ...ADMIN, workers, listen: places };
  const before = [site("first", places.slice(0, 1)), site("second", places.slice(1))];
  await withAfcgi({ config: { ...config, sites: before } }, async (afcgi) => {
    const [one, two] = [await connectAll(first), await connectAll(second)];
    assert.deepEqual([await bodies(one, "/"), await bodies(two, "/")], [["first"], ["second"]]);
    afcgi.rewrite({
      ...config,
      sites: [site("first", places.slice(1)), site("second", places.slice(0, 1))],
    });
    process.kill(afcgi.child.pid, "SIGHUP");
    await afcgi.waitForLog(({ generation }) => generation === 2);
    assert.deepEqual([await bodies(one, "/"), await bodies(two, "/")], [["second"], ["first"]]);
    closeAll([...one, ...two]);
  });
});

test("Threads: a name from the command line is served over TLS by each, and sent there", {
  skip: missingPeer("openssl"),
}, async () => {
  const [plain, secure] = [await freePort(), await freeTlsPort()];
  const root = temporaryDirectory();
  writeFileSync(join(root, "hello.txt"), "hello");
  const listen = ["--listen", `127.0.0.1:${plain}`, "--listen", `127.0.0.1:${secure}`];
  const afcgi = await Afcgi.start({
    args: ["--upstream", "tcp://127.0.0.1:1", "--root", root, "--preset", "php", "--workers", "3"]
      .concat("--domain", "localhost", listen, "--admin", "127.0.0.1:0"),
    env: { AFCGI_STORE: temporaryDirectory() },
    listen: false,
  });
  try {
    const redirected = await connectAll(plain);
    for (const client of redirected) assert.equal(await client.get("/hello.txt"), 308);
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, () => KeptClient.connectTls(secure, "localhost")),
    );
    assert.deepEqual(await bodies(clients, "/hello.txt"), ["hello"]);
    const admin = await Admin.of(afcgi);
    const connections = (await admin.workers()).map((worker) => worker.connections);
    assert.deepEqual(connections, [4, 4, 4]);
    closeAll([...redirected, ...clients]);
  } finally {
    await afcgi.stop();
  }
});

/** One that ends in 443, by which `--listen` knows TLS beside `--domain`. */
async function freeTlsPort(): Promise<number> {
  for (let port = 10_443 + 1000 * Math.floor(Math.random() * 10); port < 65_536; port += 1_000) {
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    await new Promise((resolve) => isFree ? server.close(resolve) : resolve(undefined));
    if (isFree) return port;
  }
  throw new Error("Every port that ends in 443 is taken");
}

/** php-fpm, of which one connection may be had. */
async function withOneConnection(
  use: (world: { readonly port: number; readonly root: string }) => Promise<void>,
): Promise<void> {
  const directory = temporaryDirectory();
  const root = join(directory, "www");
  mkdirSync(root);
  writeFileSync(join(root, "a.php"), "<?php echo 'ok';");
  const port = await freePort();
  const place = { network: "tcp", host: "127.0.0.1", port } as const;
  const fpm = await startPhpFpm({ directory, place, children: 4 });
  try {
    await use({ port, root });
  } finally {
    await fpm.stop("SIGTERM");
  }
}

const isListening = (scheme: string) => (line: LogLine) =>
  line.msg === "listening" && line.scheme === scheme;

test(
  "Threads: Gemini and HTTP/3, which the main thread serves, take turns with them at one connection",
  {
    skip: missingPeer("php-fpm"),
  },
  async () => {
    await withOneConnection(async ({ port, root }) => {
      const { certPath, keyPath } = selfSigned("/CN=localhost", "subjectAltName=DNS:localhost");
      const tls = { cert: certPath, key: keyPath };
      const php = { php: { upstream: "php" } };
      const config = {
        listen: ["127.0.0.1:0", { address: "127.0.0.1:0", tls: {}, http3: true }],
        upstreams: { php: { servers: [`tcp://127.0.0.1:${port}`], connections: { max: 1 } } },
        sites: [{ hosts: ["localhost"], tls, https: "allow", root, routes: [php] }],
        gemini: [{
          listen: "127.0.0.1:0",
          hosts: ["localhost"],
          tls: { self_signed: true, store: temporaryDirectory() },
          root,
          routes: [{ fastcgi: { upstream: "php", convert: "cgi", params: fpmParams(root) } }],
        }],
      };
      await withAfcgi({ config }, async (afcgi) => {
        const { address } = await afcgi.waitForLog(isListening("gemini"));
        const geminiPort = Number(/:(\d+)$/.exec(String(address))![1]);
        const http3 = await afcgi.waitForLog(({ msg }) => msg === "listening for HTTP/3");
        const overHttp3 = async () => {
          const response = await fetch(`https://127.0.0.1:${http3.port}/a.php`, {
            protocol: "http3",
            tls: { rejectUnauthorized: false },
            headers: { host: "localhost" },
          } as RequestInit);
          return [response.status, await response.text()];
        };
        const clients = await connectAll(afcgi.port);
        for (const client of [...clients, ...clients]) {
          assert.equal(await client.get("/a.php"), 200);
          assert.deepEqual(await overHttp3(), [200, "ok"]);
          const { header, body } = await sendGemini(
            geminiPort,
            `gemini://localhost:${geminiPort}/a.php\r\n`,
          );
          assert.match(`${header} ${body}`, /^20 .*ok/);
          assert.ok(connectionsTo(port) <= 1);
        }
        closeAll(clients);
      });
    });
  },
);

function fpmParams(root: string): Readonly<Record<string, string>> {
  return { SCRIPT_FILENAME: `${root}/a.php`, REQUEST_METHOD: "GET", SERVER_PROTOCOL: "HTTP/1.1" };
}

test("Threads: a log file that is opened anew has every line of all of them, none is torn", async () => {
  const access = join(temporaryDirectory(), "access.log");
  const config = { log: { access }, sites: [{ routes: [{ respond: { body: "fine" } }] }] };
  let requests = 0;
  await withAfcgi({ config }, async (afcgi) => {
    const clients = await connectAll(afcgi.port);
    for (let round = 0; round < 4; round++) {
      await Promise.all(clients.map(async (client) => {
        for (let count = 0; count < 25; count++, requests++) {
          assert.equal(await client.get(`/round-${round}`), 200);
        }
      }));
      renameSync(access, `${access}.${round}`);
      const from = afcgi.log.length;
      process.kill(afcgi.child.pid, round % 2 === 0 ? "SIGUSR1" : "SIGHUP");
      await waitUntil(
        () => afcgi.log.slice(from).some(({ msg }) => msg === "log files are open anew"),
        "the new file",
      );
    }
    closeAll(clients);
  });
  const lines: LogLine[] = [];
  for (let round = 0; round < 4; round++) {
    const text = readFileSync(`${access}.${round}`, "utf8");
    for (const line of text.trimEnd().split("\n")) lines.push(JSON.parse(line));
  }
  const rest = readFileSync(access, "utf8").trimEnd();
  if (rest !== "") { for (const line of rest.split("\n")) lines.push(JSON.parse(line)); }
  assert.equal(lines.length, requests);
});

test("Threads: an application that is started anew by SIGHUP loses no request of any thread", {
  skip: missingPeer("php-fpm"),
}, async () => {
  const root = temporaryDirectory();
  writeFileSync(join(root, "a.php"), "<?php usleep(2000); echo 'ok';");
  const config = {
    log: { access: "off" },
    upstreams: { php: { spawn: { command: ["php-fpm"] }, connections: { max: 4 } } },
    sites: [{ root, routes: [{ php: { upstream: "php" } }] }],
  };
  await withAfcgi({ config }, async (afcgi, admin) => {
    const clients = await connectAll(afcgi.port);
    let isOver = false;
    let served = 0;
    const load = Promise.all(clients.map(async (client) => {
      for (; !isOver; served++) assert.equal(await client.get("/a.php"), 200, client.text);
    }));
    for (let round = 0; round < 3; round++) {
      const from = afcgi.log.length;
      process.kill(afcgi.child.pid, "SIGHUP");
      await waitUntil(
        () => afcgi.log.slice(from).some(({ msg }) => msg === "workers replaced"),
        "new workers",
      );
      const before = served;
      await waitUntil(() => served > before + 20, "requests at them");
    }
    isOver = true;
    await load;
    const [php] = await admin.upstreams();
    assert.equal(php!.servers.length, 1);
    assert.ok(php!.servers[0]!.connections.length <= 4);
    closeAll(clients);
  });
});
