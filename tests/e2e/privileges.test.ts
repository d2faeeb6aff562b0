/** The executable as root with a user to become, and with rights that it should not have. */
import assert from "node:assert/strict";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { AFCGI, Afcgi, runAfcgi } from "../support/afcgi.ts";
import { selfSigned } from "../support/certificates.ts";
import { Child } from "../support/child.ts";
import { missingPeer } from "../support/peers.ts";
import { freePort, temporaryDirectory } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";
import { rawTls } from "../support/raw_tls.ts";

const isRoot = process.getuid?.() === 0;
const skip = !isRoot && "takes root";
const SITES = [{ routes: [{ respond: { status: 200, body: "hello" } }] }];

/** What each thread says of itself. */
function threadsOf(pid: number, key: string): string[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const text = readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8");
    return new RegExp(`^${key}:\\s*(.*)$`, "m").exec(text)![1]!.trim();
  });
}

for (const how of ["file", "flag", "variable"] as const) {
  test(`Every thread gives up root (${how})`, { skip }, async () => {
    const afcgi = await Afcgi.start({
      config: { sites: SITES, ...(how === "file" && { user: "www-data" }) },
      ...(how === "flag" && { args: ["--user", "www-data"] }),
      ...(how === "variable" && { env: { AFCGI_USER: "33" } }),
    });
    const { pid } = afcgi.child;
    assert.equal((await httpRequest(afcgi.port, { target: "/" })).status, 200);
    assert.deepEqual(new Set(threadsOf(pid, "Uid")), new Set(["33\t33\t33\t33"]));
    assert.deepEqual(new Set(threadsOf(pid, "Gid")), new Set(["33\t33\t33\t33"]));
    const [groups = "", ...others] = new Set(threadsOf(pid, "Groups"));
    assert.deepEqual(others, []);
    assert.ok(groups.split(" ").includes("33") && !groups.split(" ").includes("0"), groups);
    for (const key of ["CapPrm", "CapEff"]) {
      assert.deepEqual(new Set(threadsOf(pid, key)), new Set(["0000000000000000"]), key);
    }
    const main = readFileSync(`/proc/${pid}/status`, "utf8");
    assert.match(main, /^NoNewPrivs:\t1$/m);
    await afcgi.stop();
    assert.equal(afcgi.log.some(({ code }) => code === "runs_as_root"), false);
  });
}

for (const kind of ["files", "self_signed"] as const) {
  test(`Gemini's certificates are read before root is given up (${kind})`, {
    skip: skip || missingPeer("openssl"),
  }, async () => {
    const store = temporaryDirectory();
    const { certPath, keyPath } = selfSigned("/CN=localhost");
    chmodSync(keyPath, 0o600);
    const tls = kind === "files" ? { cert: certPath, key: keyPath } : { self_signed: true, store };
    const listen = `127.0.0.1:${await freePort()}`;
    const route = { respond: { code: 20, meta: "text/plain", body: "hello" } };
    const afcgi = await Afcgi.start({
      config: {
        user: "www-data",
        sites: SITES,
        gemini: [{ listen, hosts: ["localhost"], tls, routes: [route] }],
      },
    });
    const port = Number(listen.split(":")[1]);
    const servername = ["-servername", "localhost"];
    for (const _ of [1, 2]) {
      const { text } = await rawTls(port, `gemini://localhost:${port}/\r\n`, servername);
      assert.equal(text, "20 text/plain\r\nhello");
    }
    assert.deepEqual(new Set(threadsOf(afcgi.child.pid, "Uid")), new Set(["33\t33\t33\t33"]));
    await afcgi.stop();
  });
}

test("Root that stays root is told", { skip }, async () => {
  const afcgi = await Afcgi.start({ config: { sites: SITES } });
  const line = await afcgi.waitForLog(({ code }) => code === "runs_as_root");
  assert.equal(line.level, "warn");
  await afcgi.stop();
});

test(
  "A unix socket is that user's, who removes it at the end where root made it",
  { skip },
  async () => {
    const directory = temporaryDirectory();
    // As in /tmp: only a file's owner may remove it.
    chmodSync(directory, 0o1777);
    const path = join(directory, "admin.sock");
    const listen = { address: `unix:${path}`, mode: "0620" };
    const afcgi = await Afcgi.start({
      config: { sites: SITES, user: "www-data", admin: { listen } },
    });
    const { mode, uid, gid } = lstatSync(path);
    assert.deepEqual([mode & 0o7777, uid, gid], [0o620, 33, 33]);
    await afcgi.stop();
    assert.equal(existsSync(path), false);
  },
);

test(
  "A socket in a directory of root's stays behind, and the next start takes its place",
  { skip },
  async () => {
    const path = join(temporaryDirectory(), "admin.sock");
    const config = { sites: SITES, user: "www-data", admin: { listen: `unix:${path}` } };
    for (let start = 0; start < 2; start++) await (await Afcgi.start({ config })).stop();
    assert.equal(existsSync(path), true);
  },
);

test("A user that is not there ends the start with a line", { skip }, async () => {
  const args = ["--upstream", "127.0.0.1:9", "--listen", "127.0.0.1:0", "--user", "no-such-user"];
  const { code, stderr } = await runAfcgi(["serve", ...args]);
  assert.equal(code, 1);
  assert.match(stderr, /Cannot become user "no-such-user": there is no such user/);
  assert.equal((await runAfcgi(["check", ...args])).code, 2);
});

test("php-fpm that afcgi starts is that user's, and comes back and ends with it", {
  skip: skip || missingPeer("php-fpm"),
}, async () => {
  const root = temporaryDirectory();
  writeFileSync(join(root, "index.php"), "<?php echo posix_getuid(), ' ', posix_getppid();");
  const config = {
    user: "www-data",
    upstreams: {
      app: {
        spawn: { command: ["php-fpm"], workers: 2 },
        retry: { attempts: 5, same_server: true },
      },
    },
    sites: [{ root, routes: [{ php: { upstream: "app" } }] }],
  };
  const afcgi = await Afcgi.start({ config });
  const ask = async () =>
    (await httpRequest(afcgi.port, { target: "/index.php" })).body.toString().split(" ");
  const [user, master] = await ask();
  assert.equal(user, "33");
  assert.deepEqual(new Set(threadsOf(Number(master), "Uid")), new Set(["33\t33\t33\t33"]));
  process.kill(Number(master), "SIGKILL");
  await afcgi.waitForLog(({ code }) => code === "worker_down");
  const [again, next] = await ask();
  assert.equal(again, "33");
  assert.notEqual(next, master);
  await afcgi.stop();
});

test("An executable with capabilities or the setuid bit does not run", { skip }, async () => {
  const directory = temporaryDirectory();
  const copy = join(directory, "afcgi");
  const asNobody = async (...options: string[]) => {
    const args = ["--reuid=65534", "--regid=65534", "--clear-groups", ...options, copy, "version"];
    const child = new Child("setpriv", args, { cwd: "/" });
    const { code } = await child.exited;
    return { code, said: child.stderr.lines.join("\n") };
  };
  copyFileSync(AFCGI, copy);
  assert.equal((await asNobody()).code, 0);
  const ambient = ["--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service"];
  assert.equal((await asNobody(...ambient)).code, 0);
  // Where there is no setcap, or the file system keeps none, the other half remains.
  if (await ended("setcap", ["cap_net_bind_service=ep", copy]) === 0) {
    const { code, said } = await asNobody();
    assert.equal(code, 1);
    assert.match(said, /Cannot run: its file has capabilities/);
  }
  const setuid = new Child("chmod", ["u+s", copy]);
  await setuid.exited;
  const { code, said } = await asNobody();
  assert.equal(code, 1);
  assert.match(said, /Cannot run: its file has the setuid or setgid bit/);
});

async function ended(program: string, args: readonly string[]): Promise<number | null> {
  try {
    return (await new Child(program, args).exited).code;
  } catch {
    return null;
  }
}
