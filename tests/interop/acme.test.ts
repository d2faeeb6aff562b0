/**
 * Certificates from a real authority (pebble) through the executable, and on Deno from the source:
 * both challenges, renewal, nonces that are refused, external accounts, several processes, death in
 * the middle of an order, and the one line that makes a site.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "node:tls";
import { fileURLToPath } from "node:url";
import { AFCGI, type LogLine } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import { Pebble, type PebbleOptions } from "../support/pebble.ts";
import { missingPeer } from "../support/peers.ts";
import { freePort, temporaryDirectory, waitUntil } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

const skip = missingPeer("pebble");
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DENO = ["node_modules/deno/deno", "run", "-A", "--no-check", "src/main.ts"];

/** How afcgi is run: each as a command's beginning. */
const RUNS: Readonly<Record<string, readonly string[]>> = {
  "the executable": [AFCGI],
  "Deno": DENO.map((word, index) => index === 0 || index === 4 ? join(ROOT, word) : word),
};

interface Gateway {
  readonly child: Child;
  readonly lines: () => LogLine[];
  /** The first line with this code, once there is one. */
  readonly coded: (code: string, count?: number) => Promise<LogLine>;
}

/** Sites that response by themselves; their certificates are the authority's. */
function config(pebble: Pebble, store: string, hosts: readonly string[][], more: object = {}) {
  return {
    listen: [
      `127.0.0.1:${pebble.httpPort}`,
      { address: `127.0.0.1:${pebble.tlsPort}`, tls: {} },
    ],
    tls: { store },
    acme: { directory: pebble.directory, ca: pebble.caPath, ...more },
    sites: hosts.map((names) => ({
      hosts: names,
      tls: "auto",
      routes: [{ respond: { status: 200, body: names[0] } }],
    })),
  };
}

function start(run: readonly string[], args: readonly string[] | object): Gateway {
  const directory = temporaryDirectory();
  const file = join(directory, "afcgi.yaml");
  if (!Array.isArray(args)) writeFileSync(file, JSON.stringify(args));
  const flags = Array.isArray(args) ? args : ["--config", file];
  const [program = "", ...before] = run;
  const child = new Child(program, [...before, "serve", "--log-format", "json", ...flags], {
    cwd: directory,
    env: { AFCGI_STORE: join(directory, "store") },
  });
  const lines = () =>
    child.stderr.lines.flatMap((line): LogLine[] => line.startsWith("{") ? [JSON.parse(line)] : []);
  const coded = async (code: string, count = 1): Promise<LogLine> => {
    const found = () => lines().filter((line) => line["code"] === code);
    try {
      await waitUntil(() => found().length >= count, `the log code ${code}`);
    } catch (error) {
      throw new Error(`${error}\n${child.stderr.lines.slice(-20).join("\n")}`);
    }
    return found()[count - 1]!;
  };
  return { child, lines, coded };
}

interface Seen {
  readonly names: string;
  readonly serial: string;
  readonly protocol: string | false | null;
}

/** The certificate that a client with this name gets; undefined: its handshake fails. */
function handshake(port: number, servername: string, alpn?: string): Promise<Seen | undefined> {
  return new Promise((resolve) => {
    const socket = connect({
      host: "127.0.0.1",
      port,
      servername,
      rejectUnauthorized: false,
      ...(alpn !== undefined && { ALPNProtocols: [alpn] }),
    });
    socket.on("secureConnect", () => {
      const { subjectaltname = "", serialNumber } = socket.getPeerCertificate();
      resolve({ names: subjectaltname, serial: serialNumber, protocol: socket.alpnProtocol });
      socket.destroy();
    });
    socket.on("error", () => resolve(undefined));
    socket.on("close", () => resolve(undefined));
  });
}

async function withPebble(
  options: PebbleOptions,
  use: (pebble: Pebble, store: string) => Promise<void>,
): Promise<void> {
  const pebble = await Pebble.start(options);
  try {
    await use(pebble, join(temporaryDirectory(), "store"));
  } finally {
    await pebble.stop();
  }
}

for (const [how, run] of Object.entries(RUNS)) {
  // Deno's TLS shows no certificate with an extension that it does not know (docs/runtimes.md).
  for (const kind of how === "Deno" ? ["http-01"] : ["http-01", "tls-alpn-01"]) {
    test(
      `${how}: certificates of two sites by ${kind}, half of the nonces refused`,
      { skip },
      async () => {
        await withPebble({ nonceReject: 50 }, async (pebble, store) => {
          const sites = [["a.example.com", "www.a.example.com"], ["b.example.com"]];
          const gateway = start(run, config(pebble, store, sites, { challenges: [kind] }));
          await gateway.coded("certificate_renewed", 2);
          const seen = await handshake(pebble.tlsPort, "www.a.example.com");
          assert.match(seen!.names, /DNS:a\.example\.com, DNS:www\.a\.example\.com/);
          assert.match(
            (await handshake(pebble.tlsPort, "b.example.com"))!.names,
            /DNS:b\.example\.com/,
          );
          assert.equal(await handshake(pebble.tlsPort, "c.example.com"), undefined);
          // Nothing is pending any more.
          assert.equal(await handshake(pebble.tlsPort, "a.example.com", "acme-tls/1"), undefined);
          const token = "a".repeat(43);
          const path = `/.well-known/acme-challenge/${token}`;
          const response = await httpRequest(pebble.httpPort, {
            target: path,
            headers: { Host: "a.example.com" },
          });
          assert.equal(response.status, 308, "a token of nobody's is a request as any other");
          assert.deepEqual(gateway.lines().filter(({ code }) => code === "certificate_failed"), []);
          await gateway.child.stop();
        });
      },
    );
  }

  test(
    `${how}: a certificate that lives a short time is renewed, and no handshake fails`,
    { skip },
    async () => {
      await withPebble({ validityS: 9 }, async (pebble, store) => {
        const gateway = start(run, config(pebble, store, [["a.example.com"]]));
        await gateway.coded("certificate_renewed");
        const first = await handshake(pebble.tlsPort, "a.example.com");
        const serials = new Set([first!.serial]);
        let failed = 0;
        await waitUntil(async () => {
          const seen = await handshake(pebble.tlsPort, "a.example.com");
          if (seen === undefined) failed++;
          else serials.add(seen.serial);
          return serials.size >= 2;
        }, "another certificate");
        assert.equal(failed, 0);
        await gateway.coded("certificate_renewed", 2);
        await gateway.child.stop();
      });
    },
  );

  test(
    `${how}: an account of the authority's own is wanted, wrong, and right`,
    { skip },
    async () => {
      const key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
      await withPebble({ external: { "kid-1": key } }, async (pebble, store) => {
        const outcome = async (more: object, code: string): Promise<string> => {
          const gateway = start(run, config(pebble, store, [["a.example.com"]], more));
          const { msg } = await gateway.coded(code);
          await gateway.child.stop();
          return `${msg}`;
        };
        assert.match(await outcome({}, "certificate_failed"), /set acme\.eab/);
        const eab = { key_id: "kid-1", hmac_key: key.replace("z", "a") };
        assert.match(await outcome({ eab }, "certificate_failed"), /Cannot open an account: /);
        const right = { eab: { key_id: "kid-1", hmac_key: key } };
        await outcome(right, "certificate_renewed");
      });
    },
  );
}

test(
  "An authority that is away keeps nobody from starting, and is found when it is back",
  { skip },
  async () => {
    const away = await freePort();
    const gateway = start([AFCGI], {
      listen: ["127.0.0.1:0"],
      sites: [{
        hosts: ["a.example.com"],
        tls: "auto",
        https: "allow",
        routes: [{ respond: { status: 200 } }],
      }],
      acme: { directory: `https://127.0.0.1:${away}/dir` },
      tls: { store: join(temporaryDirectory(), "store") },
    });
    const { child } = gateway;
    await child.exited;
    assert.match(child.stderr.lines.join("\n"), /no listener speaks TLS/);
    const port = await freePort();
    const alive = start([AFCGI], {
      listen: [`127.0.0.1:${port}`, { address: "127.0.0.1:0", tls: {} }],
      sites: [{
        hosts: ["a.example.com"],
        tls: "auto",
        https: "allow",
        routes: [{ respond: { status: 200 } }],
      }],
      acme: { directory: `https://127.0.0.1:${away}/dir` },
      tls: { store: join(temporaryDirectory(), "store") },
    });
    const { msg, retry_in_s } = await alive.coded("certificate_failed");
    assert.match(`${msg}`, /Cannot .*: Cannot ask https:\/\/127\.0\.0\.1:\d+: connection refused/);
    assert.ok(Number(retry_in_s) >= 54);
    const response = await httpRequest(port, { target: "/", headers: { Host: "a.example.com" } });
    assert.equal(response.status, 200);
    assert.deepEqual(await alive.child.stop(), { code: 0, signal: null });
  },
);

test("Two processes that share a store order once, and both serve", { skip }, async () => {
  await withPebble({}, async (pebble, store) => {
    const whole = config(pebble, store, [["a.example.com"]], { challenges: ["http-01"] });
    const first = start([AFCGI], whole);
    const port = await freePort();
    const second = start([AFCGI], {
      ...whole,
      listen: [{ address: `127.0.0.1:${port}`, tls: {} }],
    });
    const seen = () =>
      Promise.all([
        handshake(pebble.tlsPort, "a.example.com"),
        handshake(port, "a.example.com"),
      ]);
    // Once all threads know: one may have it a second later than another.
    let both = await seen();
    await waitUntil(async () => {
      both = await seen();
      return both.every((one) => one !== undefined);
    }, "both serve");
    const [one, other] = both;
    assert.equal(one!.serial, other!.serial);
    const issued = [...first.lines(), ...second.lines()]
      .filter(({ code }) => code === "certificate_renewed");
    assert.equal(issued.length, 1);
    assert.equal(pebble.count(/Issued certificate/), 1);
    await first.child.stop();
    await second.child.stop();
  });
});

test(
  "A process that is killed in the middle of an order is followed by its next start",
  { skip },
  async () => {
    await withPebble(
      { env: { PEBBLE_VA_NOSLEEP: "0", PEBBLE_VA_SLEEPTIME: "4" } },
      async (pebble, store) => {
        const whole = config(pebble, store, [["a.example.com"]], { challenges: ["http-01"] });
        const first = start([AFCGI], whole);
        const challenges = join(store, "challenges");
        await waitUntil(
          () => existsSync(challenges) && readdirSync(challenges).length > 0,
          "a challenge",
        );
        first.child.kill("SIGKILL");
        await first.child.exited;
        const second = start([AFCGI], whole);
        const wait = second.coded("certificate_renewed").catch(() =>
          second.coded("certificate_renewed")
        );
        await wait;
        assert.match((await handshake(pebble.tlsPort, "a.example.com"))!.names, /a\.example\.com/);
        await second.child.stop();
      },
    );
  },
);

test(
  "A site on the internet from one line: PHP, a name, an email",
  { skip: skip || missingPeer("php-fpm") },
  async () => {
    await withPebble({}, async (pebble) => {
      const root = join(temporaryDirectory(), "www");
      mkdirSync(root);
      writeFileSync(
        join(root, "index.php"),
        "<?php echo $_SERVER['HTTPS'], ' ', $_SERVER['HTTP_HOST'];",
      );
      const gateway = start([AFCGI], [
        ...["--spawn", "php-fpm", "--root", root],
        ...["--domain", "example.com", "--domain", "www.example.com"],
        ...["--acme-email", "ops@example.com"],
        ...["--acme-directory", pebble.directory, "--acme-ca", pebble.caPath],
        ...["--listen", `127.0.0.1:${pebble.httpPort}`, "--listen", `127.0.0.1:${pebble.tlsPort}`],
      ]);
      await gateway.coded("certificate_renewed");
      const plain = await httpRequest(pebble.httpPort, {
        target: "/a?b",
        headers: { Host: "example.com" },
      });
      assert.equal(plain.status, 308);
      const text = await overTls(pebble.tlsPort, "example.com");
      assert.match(text, /^HTTP\/1\.1 200/);
      assert.match(text, /on example\.com/);
      await gateway.child.stop();
    });
  },
);

/** A whole response over TLS. */
function overTls(port: number, servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, servername, rejectUnauthorized: false });
    let text = "";
    socket.on("secureConnect", () => {
      socket.write(`GET / HTTP/1.1\r\nHost: ${servername}\r\nConnection: close\r\n\r\n`);
    });
    socket.on("data", (bytes) => text += bytes.toString());
    socket.on("close", () => resolve(text));
    socket.on("error", reject);
  });
}

test(
  "With threads a name that nobody has written down gets its certificate at its first handshakes",
  { skip },
  async () => {
    await withPebble({}, async (pebble, store) => {
      const asked: string[] = [];
      const operator = createServer((request, response) => {
        const name = new URL(request.url!, "http://a").searchParams.get("domain")!;
        asked.push(name);
        response.writeHead(name.startsWith("no") ? 404 : 200).end();
      });
      await new Promise<void>((resolve) => operator.listen(0, "127.0.0.1", resolve));
      const { port } = operator.address() as AddressInfo;
      const gateway = start([AFCGI], {
        workers: 4,
        listen: [`127.0.0.1:${pebble.httpPort}`, {
          address: `127.0.0.1:${pebble.tlsPort}`,
          tls: {},
        }],
        tls: { store },
        acme: {
          directory: pebble.directory,
          ca: pebble.caPath,
          on_demand: { ask: `http://127.0.0.1:${port}/ask` },
        },
        sites: [{ tls: "auto", routes: [{ respond: { body: "ok" } }] }],
      });
      await gateway.child.stderr.waitFor((line) => line.includes('"msg":"listening"'));
      // Eight handshakes at once are two for each thread, and one order.
      const all = await Promise.all(
        Array.from({ length: 8 }, () => handshake(pebble.tlsPort, "a.customer.example")),
      );
      const serials = new Set(all.map((seen) => seen?.serial));
      assert.equal(serials.size, 1, JSON.stringify(all));
      assert.match(all[0]!.names, /DNS:a\.customer\.example/);
      assert.deepEqual(asked, ["a.customer.example"]);
      assert.equal(pebble.count(/Issued certificate/), 1);
      const refused = await Promise.all(
        Array.from({ length: 8 }, () => handshake(pebble.tlsPort, "no.customer.example")),
      );
      assert.deepEqual(new Set(refused), new Set([undefined]));
      assert.deepEqual(asked, ["a.customer.example", "no.customer.example"]);
      await gateway.child.stop();
      operator.close();
    });
  },
);
