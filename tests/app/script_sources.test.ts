/** What `check` says of scripts whose source a static route would send, and which it never sends. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SCRIPT_DEPTH_MAX, sentSources } from "../../src/app/script_sources.ts";
import { readConfig } from "../../src/config/read_config.ts";
import { withConfig } from "../support/configured.ts";
import { freshPath, runtime } from "../support/gateway.ts";

const SOURCE = "#!/bin/sh\necho the source\n";

function makeRoot(): string {
  const root = freshPath();
  const deep = "deep/".repeat(SCRIPT_DEPTH_MAX + 1);
  for (const directory of ["cgi-bin", ".hidden", deep]) {
    mkdirSync(join(root, directory), { recursive: true });
  }
  const programs = ["cgi-bin/a.cgi", "b.PL", ".hidden/c.cgi", `${deep}d.cgi`];
  for (const name of [...programs, "page.html", "lesson.py", "old.php"]) {
    writeFileSync(join(root, name), SOURCE);
    if (programs.includes(name)) chmodSync(join(root, name), 0o755);
  }
  return root;
}

function configOf(root: string, routes: string): string {
  return `
upstreams: { app: { servers: ["unix:/run/none.sock"] } }
sites:
  - root: ${root}
    routes: ${routes}
`;
}

async function notesOf(root: string, routes: string): Promise<string[]> {
  const { options } = readConfig(configOf(root, routes), {
    source: "afcgi.yaml",
    directory: "/",
    files: runtime.files,
    readVariable: () => undefined,
    rootGiven: false,
  });
  return await sentSources(options!.sites[0]!, runtime.files);
}

const APP = "fastcgi: { upstream: app }";

test("A static route before the one that runs programs is told of, by each program", async () => {
  const root = makeRoot();
  const notes = await notesOf(root, `[static: {}, ${APP}]`);
  assert.deepEqual(notes.map((note) => /"(.*)"/.exec(note)![1]!.slice(root.length)), [
    "/b.PL",
    "/cgi-bin/a.cgi",
  ]);
  assert.match(notes[0]!, /^Route 1, static, sends the source of /);
});

test("Nothing is told where no program is sent", async () => {
  const root = makeRoot();
  for (
    const routes of [
      `[${APP}]`,
      `[{ path: /cgi-bin/*, ${APP} }, { path: "*.PL", ${APP} }, static: {}]`,
      `[{ path: /cgi-bin/*, internal: true, ${APP} }, { path: "*.PL", ${APP} }, static: {}]`,
      `[static: {}, fastcgi: { upstream: app, split_path: [.cgi, .pl] }]`,
      `[static: {}, { path: "*.cgi", ${APP} }, { path: "/*.pl", ${APP} }]`,
      // No application is there to run them.
      "[static: {}]",
    ]
  ) assert.deepEqual(await notesOf(root, routes), [], routes);
});

test("A route that takes some methods alone leaves the others to the static one", async () => {
  const notes = await notesOf(makeRoot(), `[{ methods: [POST], ${APP} }, static: {}]`);
  assert.equal(notes.length, 2);
});

test("Beside an application no source of PHP is sent, nor of what a route runs by its ending", async () => {
  const root = makeRoot();
  const routes = `[static: {}, { path: "*.cgi", ${APP} }, { path: /app/*, ${APP} }]`;
  await withConfig({ text: configOf(root, routes) }, async (gateway) => {
    for (const target of ["/old.php", "/cgi-bin/a.cgi", "/old.ph%70"]) {
      const response = await gateway.send({ target });
      assert.doesNotMatch(response.body.toString(), /the source/, target);
      assert.ok(response.status >= 400, `${target}: ${response.status}`);
    }
    for (const target of ["/page.html", "/lesson.py"]) {
      assert.equal((await gateway.send({ target })).status, 200, target);
    }
  });
});
