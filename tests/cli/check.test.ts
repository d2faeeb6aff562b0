import assert from "node:assert/strict";
import { test } from "node:test";
import { configJsonSchema } from "../../src/config/json_schema.ts";
import { configReference } from "../../src/config/reference.ts";
import { PROGRAM_VERSION } from "../../src/cli/program_version.ts";
import { runCommand } from "./run_program.ts";

const GOOD = `
upstreams: { app: { servers: [tcp://app.example] } }
sites: [{ routes: [{ fastcgi: { upstream: app } }] }]
admin: { listen: 127.0.0.1:9180 }
`;
const BAD = "sites: [{ routes: [{ fastcgi: { upstream: app } }] }]\nlog: { levle: info }\n";

test("check says that a file has no errors, with status 0", async () => {
  const tree = { "/etc/afcgi/afcgi.yaml": GOOD };
  assert.deepEqual(await runCommand("check", { tree }), {
    status: 0,
    stdout: "/etc/afcgi/afcgi.yaml: no errors\n",
    stderr: "",
  });
});

test("check -q says nothing about a file without errors", async () => {
  const tree = { "/site.yaml": GOOD };
  const outcome = await runCommand("check -q site.yaml", { tree });
  assert.deepEqual(outcome, { status: 0, stdout: "", stderr: "" });
});

test("check -v says what the configuration comes to", async () => {
  const { stdout } = await runCommand("check -v -c site.yaml", { tree: { "/site.yaml": GOOD } });
  assert.equal(
    stdout,
    `site.yaml: no errors
listen    tcp://127.0.0.1:8080
admin     tcp://127.0.0.1:9180
upstream  app: tcp://app.example:9000
site      every host: 1 route
`,
  );
});

test("check tells each error on a line, with status 2, also with -q", async () => {
  for (const flags of ["", "-q"]) {
    assert.deepEqual(await runCommand(`check ${flags} bad.yaml`, { tree: { "/bad.yaml": BAD } }), {
      status: 2,
      stdout: "",
      stderr: 'bad.yaml:1:43: Unknown upstream "app" (add it under upstreams)\n' +
        'bad.yaml:2:8: Unknown key "levle" (did you mean "level"?)\n',
    });
  }
});

test("check names a file that --upstream leaves unread", async () => {
  const { status, stdout } = await runCommand("check --upstream app.example", {
    tree: { "/afcgi.yaml": BAD },
  });
  assert.equal(status, 0);
  assert.equal(
    stdout,
    'File "afcgi.yaml" is not read because --upstream is the whole configuration\n' +
      "flags: no errors\n",
  );
});

test("schema prints the JSON Schema", async () => {
  const { status, stdout } = await runCommand("schema");
  assert.equal(status, 0);
  assert.deepEqual(JSON.parse(stdout), configJsonSchema());
});

test("schema --markdown prints the reference", async () => {
  const { status, stdout } = await runCommand("schema --markdown");
  assert.equal(status, 0);
  assert.ok(stdout === configReference(configJsonSchema()));
});

test("version prints version, runtime and platform", async () => {
  const line = `afcgi ${PROGRAM_VERSION} (memory 0, memory)\n`;
  for (const args of ["version", "version -v", "--version", "-V"]) {
    assert.deepEqual(await runCommand(args), { status: 0, stdout: line, stderr: "" }, args);
  }
  assert.equal((await runCommand("version -q")).stdout, `${PROGRAM_VERSION}\n`);
  assert.deepEqual(JSON.parse((await runCommand("version --json")).stdout), {
    version: PROGRAM_VERSION,
    runtime: "memory",
    memory: "0",
    platform: "memory",
  });
});
