import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { runCommand } from "./run_program.ts";

const CONFIG = `server {
  listen 8080;
  root /srv/www;
  brotli on;
  location / { try_files $uri $uri/ /index.php?$args; }
  location ~ \\.php$ { include php.inc; fastcgi_pass unix:/run/fpm.sock; }
}
`;

const TREE = {
  "/etc/x/site.conf": CONFIG,
  "/etc/x/php.inc": "fastcgi_param APP_ENV prod;\n",
  "/srv/www/index.php": "",
};

test("afcgi import nginx prints a file that afcgi check finds no error in", async () => {
  const { status, stdout, stderr } = await runCommand("import nginx site.conf", {
    tree: TREE,
    cwd: "/etc/x",
  });
  assert.equal(status, 0);
  assert.equal(stderr, "site.conf:4: lost: brotli on: it has no counterpart\n");
  assert.match(stdout, /APP_ENV: prod/);
  const checked = await runCommand("check a.yaml", {
    tree: { ...TREE, "/etc/x/a.yaml": stdout },
    cwd: "/etc/x",
  });
  assert.deepEqual([checked.status, checked.stderr], [0, ""]);
});

test("afcgi import tells what it cannot read", async () => {
  const run = (words: string, text = "") =>
    runCommand(words, { tree: { "/a.conf": text, "/x": null }, cwd: "/" });
  const lighttpd = await run("import lighttpd a.conf");
  assert.deepEqual([lighttpd.status, lighttpd.stderr], [
    2,
    'afcgi: Cannot import the configuration of "lighttpd" (use nginx, caddy, apache)\n',
  ]);
  for (const name of ["b.conf", "x"]) {
    const absent = await run(`import nginx ${name}`);
    assert.deepEqual([absent.status, absent.stderr], [
      2,
      `afcgi: There is no file "${name}" (name nginx's configuration)\n`,
    ]);
  }
  const broken = await run("import nginx a.conf", "server {\n listen 80\n}");
  assert.equal(broken.status, 1);
  assert.equal(broken.stderr, 'afcgi: a.conf:2: Directive "listen" does not end (add ";")\n');
  const empty = await run("import nginx a.conf", "http { }");
  assert.equal(empty.status, 1);
  assert.match(empty.stderr, /There is no server to import in "a.conf"/);
});

test("afcgi import ends with status 3 where a site, or all its scripts, ended closed", async () => {
  const script = "location ~ \\.php$ { fastcgi_pass unix:/s; }";
  const run = async (text: string, flags = "") => {
    const words = `import nginx a.conf ${flags}`.trim();
    const { status, stdout, stderr } = await runCommand(words, {
      tree: { "/a.conf": text, "/r/index.php": "" },
      cwd: "/",
    });
    assert.match(stdout, /^# Made by afcgi import nginx of a\.conf\n/);
    return [status, stderr.trimEnd().split("\n").at(-1)];
  };
  const told = (what: string) => `closed, because not all of it could be said: ${what}`;
  assert.deepEqual(await run(`server { root /r; ${script} }`), [0, ""]);
  assert.deepEqual(await run(`server { root /r; modsecurity on; ${script} }`), [
    3,
    told("a.conf:1 server"),
  ]);
  const passwords = "auth_basic x; auth_basic_user_file $unknown;";
  assert.deepEqual(
    await run(`server { server_name b.example; root /r;
      location ~ \\.php$ { ${passwords} fastcgi_pass unix:/s; } location / { } }`),
    [3, told("the scripts of a.conf:1 server b.example")],
  );
  assert.deepEqual(
    await run(`server { server_name c.example; root /r; ${passwords} ${script} }`, "--quiet"),
    [3, told("a.conf:1 server c.example")],
  );
  // Nothing of the other site is lost by it.
  const two = `server { server_name d.example; root /r; ${script} }
    server { server_name e.example; root /r; auth_jwt x; ${script} }`;
  assert.deepEqual(await run(two), [3, told("a.conf:2 server e.example")]);
});

test("The examples of docs/from-caddy.md and docs/from-apache.md are carried over whole", async () => {
  for (const [server, language] of [["caddy", "caddyfile"], ["apache", "apache"]]) {
    const page = readFileSync(new URL(`../../docs/from-${server}.md`, import.meta.url), "utf8");
    const example = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "ms").exec(page)?.[1];
    assert.ok(example);
    const tree = { "/site": example, "/srv/www/public/index.php": "" };
    const { status, stderr, stdout } = await runCommand(`import ${server} site`, {
      tree,
      cwd: "/",
    });
    assert.deepEqual([status, stderr], [0, ""]);
    const checked = await runCommand("check a.yaml", {
      tree: { ...tree, "/a.yaml": stdout },
      cwd: "/",
    });
    assert.equal(checked.stderr, "");
  }
});
