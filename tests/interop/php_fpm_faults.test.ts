/**
 * The errors that the php-fpm world is known for, each with a real php-fpm: what the client gets,
 * and the log line that a person would see. docs/php.md explains these lines.
 */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Afcgi, type LogLine } from "../support/afcgi.ts";
import { missingPeer } from "../support/peers.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePlace, placeUrl, temporaryDirectory, waitUntil } from "../support/places.ts";
import { HttpConnection, httpRequest, type HttpResponse } from "../support/raw_http.ts";

const skip = missingPeer("php-fpm");
/** Another user than the pool's, and a chroot, need root. */
const skipUnlessRoot = skip || (process.getuid?.() !== 0 && "only root may change users");

interface Pool {
  readonly settings?: readonly string[];
  readonly children?: number;
  /** Of the upstream. */
  readonly upstream?: Readonly<Record<string, unknown>>;
  /** In the place of the usual ones. */
  readonly routes?: readonly Readonly<Record<string, unknown>>[];
  readonly limits?: Readonly<Record<string, unknown>>;
  readonly unprivileged?: boolean;
}

interface Site {
  readonly afcgi: Afcgi;
  /** The site's root. */
  readonly root: string;
  get(target: string): Promise<HttpResponse>;
  /** The line of the log, at `warn` or above, about a request. */
  lineOf(response: HttpResponse, target: string): Promise<LogLine>;
}

const SCRIPTS: Readonly<Record<string, string>> = {
  "index.php": "<?php echo 'fine';",
  "page.html": "<?php echo 'not by default';",
  // Tells who runs it and stays until it is told to go on.
  "wait.php": `<?php
    file_put_contents($_GET['pid'] . '.new', getmypid());
    rename($_GET['pid'] . '.new', $_GET['pid']);
    if (isset($_GET['begin'])) { echo str_repeat('x', 20000); flush(); }
    while (!file_exists($_GET['gate'])) { usleep(5000); clearstatcache(); }
    echo 'done';`,
  "upload.php": "<?php echo count($_FILES), ' ', strlen(file_get_contents('php://input'));",
};

/** Starts a pool and an afcgi before it, hands both over, and stops them. */
async function withSite(pool: Pool, use: (site: Site) => Promise<void>): Promise<void> {
  const directory = temporaryDirectory();
  const root = join(directory, "root");
  mkdirSync(root);
  for (const [name, text] of Object.entries(SCRIPTS)) writeFileSync(join(root, name), text);
  // For what the scripts write.
  mkdirSync(join(directory, "state"));
  chmodSync(join(directory, "state"), 0o777);
  const place = await freePlace("unix", directory);
  const { children = 2, settings = [] } = pool;
  const resolved = settings.map((line) => line.replaceAll("$directory", directory));
  const fpm = await startPhpFpm({ directory, place, children, settings: resolved });
  try {
    const routes = pool.routes ?? [{ php: { upstream: "php", front_controller: "/index.php" } }];
    const afcgi = await Afcgi.start({
      config: {
        upstreams: { php: { servers: [placeUrl(place)], ...pool.upstream } },
        sites: [{ root, routes }],
        ...(pool.limits && { limits: pool.limits }),
      },
      unprivileged: pool.unprivileged ?? false,
    });
    try {
      const get = (target: string) => httpRequest(afcgi.port, { target });
      await use({
        afcgi,
        root,
        get,
        lineOf: (response, target) => findLine(afcgi, response, target),
      });
    } finally {
      await afcgi.stop();
    }
  } finally {
    await fpm.stop();
  }
}

async function findLine(afcgi: Afcgi, response: HttpResponse, target: string): Promise<LogLine> {
  const id = response.headers.get("x-request-id");
  return await afcgi.waitForLog((line) =>
    line.path === target && line.code !== undefined &&
    (id === undefined || line.request_id === id)
  );
}

/** A route that sends every path below the root to php-fpm unseen, as many configurations do. */
const BLIND = [{ fastcgi: { upstream: "php" } }];

test("A script that does not exist: the line says so, and what was sent", { skip }, async () => {
  await withSite({ routes: BLIND }, async ({ get, lineOf, afcgi, root }) => {
    const response = await get("/missing.php");
    assert.equal(response.status, 404);
    assert.equal(response.body.toString(), "File not found.\n");
    const line = await lineOf(response, "/missing.php");
    assert.equal(line.level, "error");
    assert.equal(line.code, "script_not_run");
    assert.equal(line.script_filename, join(root, "missing.php"));
    assert.equal(
      line.msg,
      `php-fpm did not run SCRIPT_FILENAME "${
        join(root, "missing.php")
      }": it does not exist here ` +
        "either (send the path of a script that is there)",
    );
    // php-fpm's own word for it is a line of the same request.
    const own = await afcgi.waitForLog(({ msg }) => msg === "Primary script unknown");
    assert.equal(own.request_id, line.request_id);
  });
});

test("A script that php-fpm sees elsewhere: the line says that it exists here", {
  skip: skipUnlessRoot,
}, async () => {
  await withSite({ settings: ["chroot = $directory/state"] }, async ({ get, lineOf, root }) => {
    const response = await get("/index.php");
    assert.equal(response.status, 404);
    const line = await lineOf(response, "/index.php");
    assert.equal(
      line.msg,
      `php-fpm did not run SCRIPT_FILENAME "${join(root, "index.php")}": it exists here and ` +
        "every user may read it, so php-fpm sees other files (another container, a chroot): send " +
        "the path as php-fpm has it",
    );
  });
});

test("A script that php-fpm's user may not read: the line names its mode", {
  skip: skipUnlessRoot,
}, async () => {
  await withSite({}, async ({ get, lineOf, afcgi, root }) => {
    chmodSync(join(root, "index.php"), 0o600);
    const response = await get("/index.php");
    assert.equal(response.status, 403);
    const { msg } = await lineOf(response, "/index.php");
    assert.match(String(msg), /only some users may read it \(mode 0600, user 0, group 0\)/);
    await afcgi.waitForLog(({ msg }) => /Unable to open primary script.*denied/.test(String(msg)));
  });
});

test("A directory that php-fpm's user may not enter: the line names it", {
  skip: skipUnlessRoot,
}, async () => {
  await withSite({}, async ({ get, lineOf, root }) => {
    chmodSync(root, 0o700);
    const response = await get("/index.php");
    assert.equal(response.status, 404);
    const { msg } = await lineOf(response, "/index.php");
    assert.ok(String(msg).includes(`only some users may enter "${root}" (mode 0700`), String(msg));
  });
});

test("A file that the pool does not run: the line names security.limit_extensions", {
  skip,
}, async () => {
  await withSite({ routes: BLIND }, async ({ get, lineOf }) => {
    const response = await get("/page.html");
    assert.equal(response.status, 403);
    const { msg } = await lineOf(response, "/page.html");
    assert.match(String(msg), /runs only what security.limit_extensions names/);
  });
});

test("A 404 of the application itself is not taken for a script that was not run", {
  skip,
}, async () => {
  await withSite({}, async ({ get, afcgi, root }) => {
    const own = "<?php http_response_code(404); echo 'File not found. Really.';";
    writeFileSync(join(root, "own.php"), own);
    assert.equal((await get("/own.php")).status, 404);
    await get("/index.php");
    await afcgi.waitForAccess(({ path }) => path === "/index.php");
    assert.deepEqual(afcgi.log.filter(({ code }) => code === "script_not_run"), []);
  });
});

test("A socket that afcgi may not use: 502, and the line says whose permission to look at", {
  skip: skipUnlessRoot,
}, async () => {
  const settings = ["listen.owner = root", "listen.group = root", "listen.mode = 0600"];
  await withSite({ settings, unprivileged: true }, async ({ get, lineOf }) => {
    const response = await get("/index.php");
    assert.equal(response.status, 502);
    const { msg, code } = await lineOf(response, "/index.php");
    assert.equal(code, "connect_failed");
    assert.match(
      String(msg),
      /^Cannot connect to unix:.*: permission denied \(look at the socket's owner and mode\)$/,
    );
  });
});

test("An exhausted pool: 503 with Retry-After, and the line says how long there was no room", {
  skip,
}, async () => {
  const upstream = { connections: { max: 1 }, queue: { max: 1, timeout: "200ms" } };
  await withSite({ upstream }, async ({ get, lineOf, root }) => {
    const { target, gate, pid } = waitTarget(root);
    const busy = get(target);
    await waitUntil(() => existsSync(pid), "the script that holds the only connection");
    const waited = get("/index.php?waits");
    // One waits at most: of two more, one is refused at once.
    const others = await Promise.all([waited, get("/index.php?also")]);
    assert.deepEqual(others.map(({ status }) => status), [503, 503]);
    assert.ok(others.every(({ headers }) => headers.get("retry-after") === "1"));
    const lines = await Promise.all(
      others.map((response, index) =>
        lineOf(response, ["/index.php?waits", "/index.php?also"][index]!)
      ),
    );
    const messages = lines.map(({ code, msg }) => `${code}: ${msg}`).sort();
    assert.deepEqual(messages, [
      'queue_full: Upstream "php" has 1 requests waiting already',
      'queue_timeout: No room at upstream "php" within 200 ms',
    ]);
    writeFileSync(gate, "");
    assert.equal((await busy).body.toString(), "done");
  });
});

test("An upload over afcgi's limit: 413, and the access line has its code", { skip }, async () => {
  await withSite({ limits: { request_body: "1KiB" } }, async ({ afcgi }) => {
    const response = await httpRequest(afcgi.port, {
      method: "POST",
      target: "/upload.php",
      body: Buffer.alloc(1025),
    });
    assert.equal(response.status, 413);
    const line = await afcgi.waitForAccess(({ path }) => path === "/upload.php");
    assert.deepEqual([line.status, line.code], [413, "request_body_too_large"]);
  });
});

test("An upload over PHP's limit: PHP says so on STDERR, which is a line of the request", {
  skip,
}, async () => {
  const settings = ["php_admin_value[post_max_size] = 1K"];
  await withSite({ settings }, async ({ afcgi }) => {
    const response = await httpRequest(afcgi.port, {
      method: "POST",
      target: "/upload.php",
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
      body: Buffer.alloc(1025, "x"),
    });
    assert.equal(response.status, 200);
    const line = await afcgi.waitForLog(({ source }) => source === "stderr");
    assert.match(String(line.msg), /POST Content-Length of 1025 bytes exceeds the limit of 1024/);
    const access = await afcgi.waitForAccess(({ path }) => path === "/upload.php");
    assert.equal(line.request_id, access.request_id);
  });
});

test("A script over first_byte: 504, and the line says how long nothing came", {
  skip,
}, async () => {
  const upstream = { timeouts: { first_byte: "300ms" } };
  await withSite({ upstream }, async ({ get, lineOf, root }) => {
    const { target, gate } = waitTarget(root);
    const response = await get(target);
    assert.equal(response.status, 504);
    const { code, msg, phase } = await lineOf(response, target);
    assert.deepEqual([code, phase], ["first_byte_timeout", "first_byte"]);
    assert.match(String(msg), /^No response from unix:.* for 300 ms$/);
    writeFileSync(gate, "");
  });
});

/** Without another attempt, which would find another child and wait as long. */
const ONCE = { retry: { attempts: 0 } };

test("A script over request_terminate_timeout: 502, and the line says that php-fpm closed", {
  skip,
}, async () => {
  const settings = ["request_terminate_timeout = 1s"];
  await withSite({ settings, upstream: ONCE }, async ({ get, lineOf, root }) => {
    const { target } = waitTarget(root);
    const response = await get(target);
    assert.equal(response.status, 502);
    const { code, msg } = await lineOf(response, target);
    assert.equal(code, "connection_lost");
    assert.match(String(msg), /^Lost the connection to unix:/);
    assert.equal((await get("/index.php")).body.toString(), "fine");
  });
});

test("A child that is killed before its response: 502, and the next request has another child", {
  skip,
}, async () => {
  await withSite({ upstream: ONCE }, async ({ get, lineOf, root }) => {
    const { target, pid } = waitTarget(root);
    const asked = get(target);
    await waitUntil(() => existsSync(pid), "the child");
    process.kill(Number(readFileSync(pid, "utf8")), "SIGKILL");
    const response = await asked;
    assert.equal(response.status, 502);
    assert.equal((await lineOf(response, target)).code, "connection_lost");
    assert.equal((await get("/index.php")).body.toString(), "fine");
  });
});

test("A child that is killed in the middle: the client's connection is cut, and a line says so", {
  skip,
}, async () => {
  await withSite({ upstream: ONCE }, async ({ afcgi, root }) => {
    const { target, pid } = waitTarget(root);
    const connection = await HttpConnection.open(afcgi.port);
    await connection.send({ target: `${target}&begin=1` });
    const body = connection.readBody(await connection.readHeaders());
    await body.pieces.next();
    process.kill(Number(readFileSync(pid, "utf8")), "SIGKILL");
    while (!(await body.pieces.next()).done);
    assert.equal(body.complete, false);
    connection.destroy();
    const line = await afcgi.waitForLog(({ msg }) => /^Response broke off/.test(String(msg)));
    assert.deepEqual([line.level, line.code], ["error", "connection_lost"]);
  });
});

/** A request that runs until its gate is there, and writes down who runs it. */
function waitTarget(root: string): { target: string; pid: string; gate: string } {
  const name = join(root, "..", "state", crypto.randomUUID());
  const [pid, gate] = [`${name}.pid`, `${name}.gate`];
  return { target: `/wait.php?pid=${pid}&gate=${gate}`, pid, gate };
}
