/**
 * Applications that the executable starts itself: php-cgi, php-fpm, a C program on libfcgi and afcgi's
 * own responder. They answer, come back after a `kill -9`, are replaced without a loss, and none is
 * left behind.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ADMIN, Admin } from "../support/admin.ts";
import { AFCGI, Afcgi, type AfcgiOptions } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import { missingPeer } from "../support/peers.ts";
import { temporaryDirectory, waitUntil } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";
import { libfcgi } from "./libfcgi.ts";

const isRoot = process.getuid?.() === 0;

const SCRIPT = `<?php
error_log("line of the error log");
file_put_contents("php://stderr", "line of standard error\\n");
usleep((int) ($_GET["us"] ?? 0));
echo getmypid(), " ", posix_getuid(), " ", getenv("WORD"), " ", $_SERVER["QUERY_STRING"];
`;

/** A directory with one script that says who runs it. */
function phpRoot(): string {
  const root = temporaryDirectory();
  writeFileSync(join(root, "index.php"), SCRIPT);
  return root;
}

/** Workers are killed on purpose here, and the next one is at the same address. */
const RETRY = { same_server: true };

/** One upstream that is spawned, and a site that sends it everything. */
function configOf(
  spawn: Readonly<Record<string, unknown>>,
  upstream: Readonly<Record<string, unknown>> = {},
  root?: string,
): AfcgiOptions {
  const route = root === undefined
    ? { fastcgi: { upstream: "app" } }
    : { php: { upstream: "app", front_controller: "/index.php" } };
  return {
    config: {
      upstreams: { app: { spawn, retry: RETRY, ...upstream } },
      sites: [{ ...(root && { root }), routes: [route] }],
      ...ADMIN,
    },
  };
}

/** Processes whose parent is the executable: the workers. */
function workersOf({ child }: Afcgi): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) =>
    parentOf(pid) === child.pid
  );
}

/** 0 for a process that has ended, and for one that nobody has waited for yet. */
function parentOf(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return /^State:\s+Z/m.test(status) ? 0 : Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]);
  } catch {
    return 0;
  }
}

function isRunning(pid: number): boolean {
  return parentOf(pid) !== 0;
}

async function bodyOf(afcgi: Afcgi, target: string, method = "GET"): Promise<string> {
  const response = await httpRequest(afcgi.port, { target, method });
  assert.equal(response.status, 200, `${response.status} ${response.body}`);
  return response.body.toString();
}

/** Starts afcgi, hands it to `use`, stops it, and sees that no worker is left. */
async function withAfcgi(
  options: AfcgiOptions,
  use: (afcgi: Afcgi) => Promise<void>,
): Promise<void> {
  const afcgi = await Afcgi.start(options);
  let workers: number[] = [];
  try {
    await use(afcgi);
    workers = workersOf(afcgi);
  } finally {
    await afcgi.stop();
  }
  assert.deepEqual(workers.filter(isRunning), []);
}

/** Says when every request of a steady load has been answered. */
async function underLoad(
  afcgi: Afcgi,
  disturb: () => Promise<void>,
): Promise<readonly number[]> {
  const statuses: number[] = [];
  let isOver = false;
  const clients = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      const { status } = await httpRequest(afcgi.port, { target: "/?us=2000" });
      statuses.push(status);
    }
  });
  try {
    await waitUntil(() => statuses.length > 50, "the load to run");
    await disturb();
    const enough = statuses.length + 50;
    await waitUntil(() => statuses.length > enough, "the load to run on");
  } finally {
    isOver = true;
    await Promise.all(clients);
  }
  return statuses;
}

for (const program of ["php-cgi", "php-fpm"] as const) {
  const skip = missingPeer(program);

  test(`afcgi serve --spawn ${program} --root DIR is all that PHP needs`, { skip }, async () => {
    const options = { args: ["--spawn", program, "--root", phpRoot()], env: { WORD: "word" } };
    await withAfcgi(options, async (afcgi) => {
      const [, user, word, query] = (await bodyOf(afcgi, "/some/page?a=1")).split(" ");
      assert.deepEqual([word, query], ["word", "a=1"]);
      if (isRoot && program === "php-fpm") assert.notEqual(user, "0");
      const line = await afcgi.waitForLog(({ msg }) => msg === "line of standard error");
      assert.deepEqual([line.source, line.upstream], ["stderr", "php"]);
    });
  });

  test(`A worker of ${program} that is killed under load comes back`, { skip }, async () => {
    const spawn = { command: [program], workers: 2 };
    await withAfcgi(configOf(spawn, {}, phpRoot()), async (afcgi) => {
      await bodyOf(afcgi, "/");
      const admin = await Admin.of(afcgi);
      const statuses = await underLoad(afcgi, async () => {
        for (const pid of workersOf(afcgi)) process.kill(pid, "SIGKILL");
        await afcgi.waitForLog(({ code }) => code === "worker_down");
      });
      // A GET is sent again, and waits where nobody is there.
      assert.deepEqual(statuses.filter((status) => status !== 200), []);
      assert.ok(await admin.metric("afcgi_spawn_restarts_total") >= 1);
    });
  });

  test(`SIGHUP replaces the workers of ${program} without a loss`, { skip }, async () => {
    const spawn = { command: [program], workers: 2 };
    await withAfcgi(configOf(spawn, {}, phpRoot()), async (afcgi) => {
      await bodyOf(afcgi, "/");
      const before = workersOf(afcgi);
      const statuses = await underLoad(afcgi, async () => {
        afcgi.child.kill("SIGHUP");
        await afcgi.waitForLog(({ msg }) => msg === "workers replaced");
      });
      assert.deepEqual(statuses.filter((status) => status !== 200), []);
      assert.deepEqual(before.filter(isRunning), []);
      assert.equal(workersOf(afcgi).length, before.length);
    });
  });
}

const LOGGING_SCRIPT = `<?php
error_log("once");
error_log("of two\nlines");
for ($number = 0; $number < 150; $number++) error_log("message $number " . str_repeat("x", 90));
error_log("long " . str_repeat("y", 5000) . " end");
file_put_contents("php://stderr", "by hand\n");
if (function_exists("fastcgi_finish_request")) {
    fastcgi_finish_request();
    error_log("after the end");
}
throw new Exception("never caught");
`;

for (const program of ["php-cgi", "php-fpm"] as const) {
  test(
    `Whatever a script logs under ${program} stands in the log once`,
    { skip: missingPeer(program) },
    async () => {
      const root = temporaryDirectory();
      writeFileSync(join(root, "index.php"), LOGGING_SCRIPT);
      const spawn = { command: [program], workers: 1 };
      const afcgi = await Afcgi.start(configOf(spawn, {}, root));
      try {
        await httpRequest(afcgi.port, { target: "/" });
        await afcgi.waitForLog(({ msg }) => msg === "by hand");
      } finally {
        // The last lines wait for a request to come to them, and are told at the end.
        await afcgi.stop();
      }
      const lines = afcgi.log.filter(({ source }) => source === "stderr");
      const times = (text: RegExp, isOfRequest: boolean) =>
        lines.filter(({ msg, request_id }) =>
          text.test(String(msg)) && (request_id !== undefined) === isOfRequest
        ).length;
      const ofRequest = [
        /PHP message: once$|^once$/,
        /of two$/,
        /^lines$/,
        /message 0 x{90}$/,
        /message 149 x{90}$/,
        /long y{5000} end$/,
      ];
      for (const text of ofRequest) {
        assert.deepEqual([times(text, true), times(text, false)], [1, 0], String(text));
      }
      assert.equal(times(/message \d+ x{90}$/, true), 150);
      for (const text of [/^by hand$/, /never caught in /, /^Stack trace:$/, /^#0 \{main\}$/]) {
        assert.equal(times(text, true) + times(text, false), 1, String(text));
      }
      if (program === "php-fpm") assert.equal(times(/after the end$/, false), 1);
    },
  );
}

test(
  "What php-fpm says of its normal course is no warning, and the end of a child is one",
  { skip: missingPeer("php-fpm") },
  async () => {
    const spawn = { command: ["php-fpm"], workers: 1 };
    await withAfcgi(configOf(spawn, {}, phpRoot()), async (afcgi) => {
      const [child] = (await bodyOf(afcgi, "/")).split(" ");
      const notice = await afcgi.waitForLog(({ msg }) => / fpm is running/.test(String(msg)));
      assert.deepEqual([notice.level, notice.source], ["info", "stderr"]);
      process.kill(Number(child), "SIGKILL");
      const warning = await afcgi.waitForLog(({ msg }) => /exited on signal 9/.test(String(msg)));
      assert.equal(warning.level, "warn");
    });
  },
);

test(
  "php-cgi is told its address where the command says {socket}",
  { skip: missingPeer("php-cgi") },
  async () => {
    const spawn = { command: ["php-cgi", "-b", "{socket}"], workers: 2, env: { WORD: "told" } };
    await withAfcgi(configOf(spawn, {}, phpRoot()), async (afcgi) => {
      assert.match(await bodyOf(afcgi, "/"), / told $/);
    });
  },
);

test(
  "A worker of php-cgi makes way after max_requests",
  { skip: missingPeer("php-cgi") },
  async () => {
    const spawn = { command: ["php-cgi"], workers: 1, max_requests: 5 };
    await withAfcgi(configOf(spawn, {}, phpRoot()), async (afcgi) => {
      const [first] = (await bodyOf(afcgi, "/")).split(" ");
      await waitUntil(
        async () => (await bodyOf(afcgi, "/")).split(" ")[0] !== first,
        "a worker after the first",
      );
      await waitUntil(() => !isRunning(Number(first)), "the end of the first");
    });
  },
);

for (const threads of [1, 2]) {
  test(
    `A worker of php-cgi that ends well behind each request is followed at once, threads: ${threads}`,
    { skip: missingPeer("php-cgi") },
    async () => {
      const env = { PHP_FCGI_MAX_REQUESTS: "1" };
      const options = configOf({ command: ["php-cgi"], workers: 1, env }, {}, phpRoot());
      const config = { ...options.config, workers: threads };
      await withAfcgi({ config }, async (afcgi) => {
        // More than what is waited for longer and longer.
        for (let request = 0; request < 8; request++) await bodyOf(afcgi, "/");
        await waitUntil(
          () => afcgi.log.filter(({ code }) => code === "worker_recycled").length >= 7,
          "a worker for each request",
        );
        assert.deepEqual(afcgi.log.filter(({ code }) => code === "worker_down"), []);
      });
    },
  );
}

test(
  "Workers run as the user that spawn.user names",
  { skip: missingPeer("php-cgi") || !isRoot && "takes root" },
  async () => {
    for (const command of [["php-cgi"], ["php-cgi", "-b", "{socket}"]]) {
      const spawn = { command, workers: 1, user: "www-data" };
      await withAfcgi(configOf(spawn, {}, phpRoot()), async (afcgi) => {
        const [, user] = (await bodyOf(afcgi, "/")).split(" ");
        assert.notEqual(user, "0");
      });
    }
  },
);

test("A C program on libfcgi takes descriptor 0", { skip: missingPeer("libfcgi") }, async () => {
  const directory = temporaryDirectory();
  await libfcgi.prepare(directory);
  // "-" is the socket that it was left.
  const spawn = { command: [join(directory, "app"), "-", "1"], workers: 2 };
  await withAfcgi(configOf(spawn), async (afcgi) => {
    assert.equal((await httpRequest(afcgi.port, { target: "/hello" })).status, 200);
    for (const pid of workersOf(afcgi)) process.kill(pid, "SIGKILL");
    assert.equal((await httpRequest(afcgi.port, { target: "/hello" })).status, 200);
  });
});

test("afcgi responder takes descriptor 0, and multiplexes there", async () => {
  const spawn = { command: [AFCGI, "responder", "--delay", "20"], workers: 2 };
  await withAfcgi(configOf(spawn), async (afcgi) => {
    const asked = Array.from({ length: 50 }, () => httpRequest(afcgi.port, { target: "/" }));
    for (const { status } of await Promise.all(asked)) assert.equal(status, 200);
    const admin = await Admin.of(afcgi);
    assert.equal((await admin.connections()).length <= 2, true);
    assert.equal(await admin.metric("afcgi_spawn_workers"), 2);
  });
});

test("A program that is not there is said, ever more rarely; requests wait in the queue", async () => {
  const spawn = { command: ["/nonexistent/app"], workers: 1, restart: { backoff: "100ms" } };
  const options = configOf(spawn, { queue: { max: 1, timeout: "1s" } });
  await withAfcgi(options, async (afcgi) => {
    const admin = await Admin.of(afcgi);
    const responses = await Promise.all([1, 2].map(() => httpRequest(afcgi.port, { target: "/" })));
    assert.deepEqual(responses.map(({ status }) => status), [503, 503]);
    await afcgi.waitForLog(({ code }) => code === "queue_full");
    await afcgi.waitForLog(({ code }) => code === "queue_timeout");
    const lines = afcgi.log.filter(({ code }) => code === "worker_down");
    assert.match(
      String(lines[0]!.msg),
      /^A worker is down: Cannot start "\/nonexistent\/app": there is no such program/,
    );
    assert.deepEqual(
      lines.map((line) => line.restart_ms),
      lines.map((_, index) => 100 * 2 ** index),
    );
    assert.ok(await admin.metric("afcgi_spawn_restarts_total") >= lines.length);
  });
});

test("A second signal ends afcgi at once, and its workers with it", async () => {
  const program = "trap '' TERM; echo ready; while :; do sleep 1; done";
  const afcgi = await Afcgi.start(configOf({ command: ["sh", "-c", program], workers: 1 }));
  await afcgi.waitForLog(({ msg, source }) => msg === "ready" && source === "stdout");
  const workers = workersOf(afcgi);
  assert.equal(workers.length, 1);
  afcgi.child.kill("SIGTERM");
  await afcgi.waitForLog(({ msg }) => msg === "stopping");
  afcgi.child.kill("SIGTERM");
  assert.deepEqual(await afcgi.child.exited, { code: 1, signal: null });
  await waitUntil(() => !workers.some(isRunning), "the end of the worker");
});

test("A user that is not there is an error at the start", async () => {
  const directory = temporaryDirectory();
  const config = join(directory, "afcgi.yaml");
  const spawn = { command: ["true"], user: "nobody-of-that-name" };
  writeFileSync(config, JSON.stringify({ listen: ["127.0.0.1:0"], ...configOf(spawn).config }));
  const child = new Child(AFCGI, ["serve", "--config", config], { cwd: directory });
  assert.deepEqual(await child.exited, { code: 1, signal: null });
  assert.match(child.stderr.lines.join("\n"), /there is no user "nobody-of-that-name"/);
});

test("As process 1 afcgi reaps children that are not its own", { skip: !isRoot }, async () => {
  const directory = temporaryDirectory();
  const config = join(directory, "afcgi.yaml");
  // Its child ends and leaves a grandchild, which ends as an orphan.
  const program = "(sh -c 'sleep 0.1; echo orphan ended' &) ; exec sleep 60";
  const spawn = { command: ["sh", "-c", program], workers: 1 };
  writeFileSync(config, JSON.stringify({ listen: ["127.0.0.1:0"], ...configOf(spawn).config }));
  const args = [
    "--pid",
    "--mount-proc",
    "--fork",
    "--kill-child",
    AFCGI,
    "serve",
    "--config",
    config,
  ];
  const child = new Child("unshare", args, { cwd: directory, group: true });
  try {
    await child.stderr.waitFor((line) => line.includes("orphan ended"));
    const [first] = childrenOf(child.pid);
    assert.ok(first);
    await waitUntil(() => childrenOf(first!).length === 1, "no zombie beside the worker");
  } finally {
    child.kill("SIGTERM");
    await child.stop("SIGKILL");
  }
});

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.split(" ").filter(Boolean).map(Number);
}
