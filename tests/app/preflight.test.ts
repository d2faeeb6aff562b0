/** What `check` looks at beside the configuration itself: each way in which a start would fail. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { execFileSync } from "node:child_process";
import { missingPrograms, preflight } from "../../src/app/preflight.ts";
import { loadConfig } from "../../src/config/load_config.ts";
import { runtime } from "../runtime/support.ts";
import { CERTIFICATE, PRIVATE_KEY } from "../runtime/certificate.ts";
import { selfSigned } from "../support/certificates.ts";
import { freePort, temporaryDirectory } from "../support/places.ts";

const OTHER = selfSigned("/CN=other");
const SITES = [{ routes: [{ respond: { status: 204 } }] }];

/** Files that name what they hold. */
function pems(): string {
  const directory = temporaryDirectory();
  const files = {
    "good.pem": CERTIFICATE,
    "good.key": PRIVATE_KEY,
    "other.key": OTHER.key,
    "garbage.pem": "garbage",
    "empty.pem": "",
    "half.pem": CERTIFICATE.slice(0, 200),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

async function findings(
  config: Readonly<Record<string, unknown>>,
  directory = temporaryDirectory(),
  files = runtime.files,
) {
  const file = join(directory, "afcgi.yaml");
  writeFileSync(file, JSON.stringify({ listen: ["127.0.0.1:0"], sites: SITES, ...config }));
  const { options } = await loadConfig({ config: file }, {
    files: runtime.files,
    cwd: directory,
    readVariable: () => undefined,
  });
  return await preflight(options, { ...runtime, files }, false);
}

test("A certificate and its key are held against each other", async () => {
  const directory = pems();
  const listen = (cert: string, key: string) => ({
    listen: [{ address: "127.0.0.1:0", tls: { cert, key } }],
  });
  assert.deepEqual((await findings(listen("good.pem", "good.key"), directory)).errors, []);
  const wrong: readonly (readonly [string, string, RegExp])[] = [
    ["good.pem", "other.key", /is not that of the certificate/],
    ["good.key", "good.pem", /is the key and ".+" the certificate \(swap cert and key\)/],
    ["garbage.pem", "good.key", /There is no certificate in PEM form/],
    ["empty.pem", "good.key", /There is no certificate in PEM form/],
    ["half.pem", "good.key", /half\.pem" is cut short: a certificate has no end/],
    ["good.pem", "garbage.pem", /There is no private key in PEM form/],
    ["good.pem", "empty.pem", /There is no private key in PEM form/],
    ["good.pem", "good.pem", /There is no private key in PEM form/],
  ];
  for (const [cert, key, expected] of wrong) {
    const { errors: errors } = await findings(listen(cert, key), directory);
    assert.equal(errors.length, 1, `${cert} ${key}`);
    assert.match(errors[0]!, expected, `${cert} ${key}`);
  }
});

test("The access log has to be a file that can be written, and none is made", async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "folder"));
  const errorOf = async (access: string) =>
    (await findings({ log: { access } }, directory)).errors.join("\n");
  assert.equal(await errorOf("access.log"), "");
  assert.equal(await errorOf("-"), "");
  assert.deepEqual(readdirSync(directory).toSorted(), ["afcgi.yaml", "folder"]);
  assert.match(
    await errorOf("missing/access.log"),
    /there is no directory ".+missing" \(create it\)/,
  );
  assert.match(await errorOf("folder"), /it is a directory/);
  assert.match(await errorOf("afcgi.yaml/access.log"), /there is no directory/);
});

test("A FIFO as access log is no error, and the one who reads it is asked for", async () => {
  const directory = temporaryDirectory();
  execFileSync("mkfifo", [join(directory, "fifo")]);
  const { errors: errors, notes } = await findings({ log: { access: "fifo" } }, directory);
  assert.deepEqual(errors, []);
  const told = notes.filter((note) => note.startsWith("Access log"));
  assert.equal(told.length, 1);
  assert.match(told[0]!, /fifo" is no regular file \(start what reads it before afcgi\)$/);
});

test("A file that afcgi may not read or write is told", async () => {
  const directory = pems();
  // Root may read everything, so the files of this machine refuse it themselves.
  const refuse = (path: string) => path.endsWith("good.key") || path.endsWith("access.log");
  const files: typeof runtime.files = Object.assign(Object.create(runtime.files), {
    readText: async (path: string) => {
      if (refuse(path)) throw new Error(`EACCES: permission denied, open '${path}'`);
      return await runtime.files.readText(path);
    },
    whyNotAppend: (path: string) => refuse(path) ? "permission denied" : undefined,
  });
  const tls = { cert: "good.pem", key: "good.key" };
  const config = { listen: [{ address: "127.0.0.1:0", tls }], log: { access: "access.log" } };
  const { errors: errors } = await findings(config, directory, files);
  assert.equal(errors.length, 2);
  assert.match(errors[0]!, /^Cannot read ".+good.key": EACCES: .+ \(make it readable for afcgi\)$/);
  assert.match(errors[1]!, /^Cannot open access log ".+access.log": permission denied/);
});

test("A program, a directory, a user that is not there is told", async () => {
  const spawnOf = async (spawn: object) =>
    await findings({
      upstreams: { app: { spawn } },
      sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
    });
  assert.deepEqual((await spawnOf({ command: ["sh"] })).errors, []);
  assert.deepEqual((await spawnOf({ command: ["php-fpm9"] })).errors, [
    'Cannot start upstream "app": there is no program "php-fpm9" (install it, or name its path)',
  ]);
  assert.match((await spawnOf({ command: ["no-such-app"] })).errors.join(), /no program/);
  const named = await spawnOf({ command: ["/nonexistent/app"] });
  assert.deepEqual(named.errors, []);
  assert.match(named.notes.join(), /no program "\/nonexistent\/app"/);
  assert.match(
    (await spawnOf({ command: ["sh"], cwd: "gone" })).errors.join(),
    /no directory ".+gone"/,
  );
  const { errors: errors } = await spawnOf({ command: ["sh"], user: "nobody-of-that-name" });
  assert.match(errors.join(), /^There is no user "nobody-of-that-name"/);
});

test("A program that is the whole configuration has to be there, however it is named", async () => {
  for (const program of ["php-fpm9", "/usr/sbin/php-fpm9", "php-cgi-nowhere"]) {
    const spawns = [{ upstream: "php", command: [program] }];
    const options = { spawns } as unknown as Parameters<typeof missingPrograms>[0];
    assert.equal((await missingPrograms(options, runtime, true)).errors.length, 1, program);
  }
});

test("An address in use is a note, one that is not of this machine an error", async () => {
  const port = await freePort();
  const listener = await runtime.listen(
    { transport: "tcp", host: "127.0.0.1", port },
    (connection) => connection.destroy(),
  );
  const taken = await findings({ listen: [`127.0.0.1:${port}`] });
  listener.close();
  assert.deepEqual(taken.errors, []);
  assert.match(taken.notes.join(), /the port is in use/);
  const foreign = await findings({ listen: ["198.51.100.7:8080"] });
  assert.match(foreign.errors.join(), /^Cannot listen on 198\.51\.100\.7:8080/);
  const socket = await findings({ listen: ["unix:/nonexistent/http.sock"] });
  assert.match(socket.errors.join(), /there is no directory "\/nonexistent"/);
});

test("A socket that others will have opened is an address of HTTP alone", async () => {
  for (const address of ["fd:3", "systemd:web"]) {
    assert.deepEqual((await findings({ listen: [address] })).errors, []);
    const admin = findings({ admin: { listen: address } });
    await assert.rejects(admin, /opened by others is not taken here/);
  }
});

test("A fastcgi route by which PHP runs any file is told", async () => {
  const notesOf = async (upstream: string, route: object, site: object = { root: "." }) => {
    const { notes } = await findings({
      upstreams: { [upstream]: { servers: ["unix:/run/a.sock"] } },
      sites: [{ ...site, routes: [{ ...route, fastcgi: { upstream, ...Object(route).fastcgi } }] }],
    });
    return notes.join("\n");
  };
  const every = "Route 1, fastcgi, lets PHP run every file that a path names, uploads among them " +
    "(use php in its place, or add split_path: [.php])";
  assert.equal(await notesOf("php", {}), every);
  assert.equal(await notesOf("php", { path: "/a/*" }), every);
  assert.match(
    await notesOf("php", {}, { root: ".", hosts: ["a.example"] }),
    /^Route 1 of a\.example, fastcgi, lets/,
  );
  const SCRIPT_FILENAME = "/srv${request.path}";
  assert.match(
    await notesOf("php", { path: "*.php", fastcgi: { params: { SCRIPT_FILENAME } } }, {}),
    /has no root to look into/,
  );
  for (
    const route of [
      { path: "*.php" },
      { path: "/index.php" },
      { fastcgi: { split_path: [".php"] } },
      { path: "/a/*", fastcgi: { script_name: "/a" } },
      { fastcgi: { params: { SCRIPT_FILENAME: "/srv/index.php" } } },
    ]
  ) assert.equal(await notesOf("php", route), "", JSON.stringify(route));
  assert.equal(await notesOf("app", {}), "");
});

test("A file of users is read, and each of its lines that lets nobody in is told", async () => {
  const directory = temporaryDirectory();
  const site = (file: string) => [{
    basic_auth: { file },
    routes: [{ path: "/x", respond: {} }, { respond: {} }],
  }];
  const errorsOf = async (text: string | undefined) => {
    const path = join(directory, "users");
    if (text !== undefined) writeFileSync(path, text);
    return (await findings({ sites: site(text === undefined ? "gone" : "users") }, directory))
      .errors;
  };
  assert.deepEqual(await errorsOf("a:$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/\n"), []);
  const [bad, ...others] = await errorsOf("# x\na:secret\n");
  assert.match(bad!, /^File of users ".+users", line 2: cannot use the hash of "a": it is neither/);
  assert.deepEqual(others, []);
  assert.match((await errorsOf("")).join(), /^File of users ".+users" has no user \(add a line/);
  assert.match(
    (await errorsOf(undefined)).join(),
    /^Cannot read ".+gone": ENOENT, there is no such file/,
  );
});
