/**
 * How many connections php-fpm is given, and that nobody waits for a worker that is not back. They
 * are counted as they are made: what php-fpm calls `accepted conn` are requests, also those on
 * connections that were kept.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ADMIN, Admin } from "../support/admin.ts";
import { Afcgi } from "../support/afcgi.ts";
import { missingPeer } from "../support/peers.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePlace, placeUrl, temporaryDirectory } from "../support/places.ts";
import { HttpConnection } from "../support/raw_http.ts";
import { NETWORKS } from "./application.ts";

const skip = missingPeer("php-fpm");

const SCRIPTS = {
  "echo.php": '<?php echo strlen(file_get_contents("php://input"));',
  "late.php": '<?php echo "x"; fastcgi_finish_request(); sleep((int)$_GET["s"]);',
  "slow.php": '<?php usleep(30000); echo "slow";',
};

interface Pool {
  readonly afcgi: Afcgi;
  /** Connections that were made for requests. */
  accepted(): Promise<number>;
}

interface PoolOptions {
  readonly network?: (typeof NETWORKS)[number];
  readonly children: number;
  /** Threads that serve. */
  readonly workers?: number;
  readonly connections?: Readonly<Record<string, unknown>>;
  readonly settings?: readonly string[];
}

async function withPool(options: PoolOptions, use: (pool: Pool) => Promise<void>): Promise<void> {
  const { network = "unix", children, workers = 1, connections = {}, settings = [] } = options;
  const directory = temporaryDirectory();
  for (const [name, code] of Object.entries(SCRIPTS)) writeFileSync(join(directory, name), code);
  const place = await freePlace(network, directory);
  const fpm = await startPhpFpm({ directory, place, children, settings });
  const afcgi = await Afcgi.start({
    config: {
      ...ADMIN,
      workers,
      upstreams: { php: { servers: [placeUrl(place)], connections } },
      sites: [{ root: directory, routes: [{ php: { upstream: "php" } }] }],
    },
  });
  const admin = await Admin.of(afcgi);
  const accepted = () => admin.metric("afcgi_upstream_connects_total");
  try {
    await use({ afcgi, accepted });
    await afcgi.stop();
  } finally {
    await afcgi.child.stop("SIGKILL");
    await fpm.stop();
  }
}

/** So many clients, each one request after the other; GET and POST take turns. */
async function load(port: number, clients: number, requests: number): Promise<number> {
  let longestMs = 0;
  await Promise.all(Array.from({ length: clients }, async (_, client) => {
    const connection = await HttpConnection.open(port);
    for (let index = client; index < requests; index += clients) {
      const body = index % 2 === 0 ? undefined : "0123456789";
      const startMs = performance.now();
      await connection.send({
        method: body === undefined ? "GET" : "POST",
        target: "/echo.php",
        ...(body !== undefined && { body }),
      });
      const response = await connection.readResponse();
      longestMs = Math.max(longestMs, performance.now() - startMs);
      assert.equal(response.status, 200, response.body.toString());
      assert.equal(response.body.toString(), `${body?.length ?? 0}`);
    }
    connection.destroy();
  }));
  return longestMs;
}

const REQUESTS = 1_000;

for (const network of NETWORKS) {
  for (const max of [5, 8, 40]) {
    test(`php-fpm over ${network} accepts a connection for at most 2 % of requests, max ${max}`, {
      skip,
    }, async () => {
      await withPool({ network, children: max + 2, connections: { max } }, async (pool) => {
        for (const clients of [1, 3, 8, 16]) {
          const before = await pool.accepted();
          await load(pool.afcgi.port, clients, REQUESTS);
          const count = await pool.accepted() - before;
          // The connections that serve them at once are made once.
          const most = Math.max(0.02 * REQUESTS, clients + 4);
          assert.ok(count <= most, `${clients} clients: ${count} connections`);
        }
      });
    });
  }
}

test("Connections stay with the thread that uses them", { skip }, async () => {
  for (const max of [8, 40]) {
    await withPool({ children: max + 2, workers: 2, connections: { max } }, async (pool) => {
      for (const clients of [4, 16]) {
        const before = await pool.accepted();
        await load(pool.afcgi.port, clients, REQUESTS);
        const count = await pool.accepted() - before;
        // Far from one for each that waits a moment while another thread has one idle.
        assert.ok(count <= 0.1 * REQUESTS, `${clients} clients, max ${max}: ${count} connections`);
      }
    });
  }
});

test("More connections than children: nobody waits, and afcgi finds out how many there are", {
  skip,
}, async () => {
  for (const connections of [{ max: 8 }, {}]) {
    await withPool({ children: 4, connections }, async ({ afcgi, accepted }) => {
      const before = await accepted();
      const longestMs = await load(afcgi.port, 16, 2 * REQUESTS);
      assert.ok(longestMs < 2_000, `a request took ${longestMs} ms`);
      const count = await accepted() - before;
      assert.ok(count < 0.05 * 2 * REQUESTS, `${count} connections`);
      const line = await afcgi.waitForLog(({ code }) => code === "workers_found");
      assert.match(String(line.msg), /takes [2-4] connections at once/);
    });
  }
});

for (const network of NETWORKS) {
  test(`php-fpm over ${network}: no request waits for a worker that goes on after its response`, {
    skip,
  }, async () => {
    await withPool({ network, children: 10 }, async ({ afcgi }) => {
      for (const method of ["GET", "POST"]) {
        for (let count = 0; count < 4; count++) {
          const connection = await HttpConnection.open(afcgi.port);
          for (const target of ["/late.php?s=2", "/echo.php"]) {
            const body = method === "POST" ? { body: "abc" } : {};
            const startMs = performance.now();
            await connection.send({ method, target, ...body });
            assert.equal((await connection.readResponse()).status, 200);
            const tookMs = performance.now() - startMs;
            assert.ok(tookMs < 500, `${method} ${target} took ${tookMs} ms`);
          }
          connection.destroy();
        }
      }
      await afcgi.waitForLog(({ code }) => code === "workers_late");
    });
  });
}

test(
  "Requests beside workers that go on for long find those that do not, also at connections.max",
  {
    skip,
  },
  async () => {
    await withPool({ children: 10, connections: { max: 4 } }, async ({ afcgi }) => {
      const late = async (): Promise<void> => {
        const connection = await HttpConnection.open(afcgi.port);
        await connection.send({ target: "/late.php?s=20" });
        assert.equal((await connection.readResponse()).status, 200);
        connection.destroy();
      };
      for (let count = 0; count < 6; count++) {
        await late();
        const longestMs = await load(afcgi.port, 3, 60);
        assert.ok(longestMs < 1_000, `a request took ${longestMs} ms`);
      }
    });
  },
);

test("No POST is lost where children end after a few requests", { skip }, async () => {
  await withPool({ children: 4, settings: ["pm.max_requests = 7"] }, async ({ afcgi }) => {
    await load(afcgi.port, 3, 600);
  });
});
