/** What is wrong on the command line is one line on standard error, with status 2. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { COMMANDS } from "../../src/cli/commands.ts";
import { SETTINGS, variableName } from "../../src/config/settings.ts";
import { runCommand } from "./run_program.ts";

const WRONG: readonly { args: string; stderr: string }[] = [
  { args: "srve", stderr: "afcgi: unknown command 'srve' (Did you mean serve?)" },
  { args: "frobnicate", stderr: "afcgi: unknown command 'frobnicate' (see \"afcgi --help\")" },
  { args: "--verison", stderr: "afcgi: unknown option '--verison' (Did you mean --version?)" },
  {
    args: "serve --lisen :80",
    stderr: "afcgi: unknown option '--lisen' (Did you mean --listen?)",
  },
  { args: "serve --zzz", stderr: "afcgi: unknown option '--zzz' (see \"afcgi --help\")" },
  {
    args: "serve --listen",
    stderr: "afcgi: option '-l, --listen <address>' argument missing (see \"afcgi --help\")",
  },
  {
    args: "serve extra",
    stderr:
      "afcgi: too many arguments for 'serve'. Expected 0 arguments but got 1 (see \"afcgi --help\")",
  },
  {
    args: "version -q -v",
    stderr:
      "afcgi: option '-q, --quiet' cannot be used with option '-v, --verbose' (see \"afcgi --help\")",
  },
  { args: "probe", stderr: "afcgi: missing required argument 'address' (see \"afcgi --help\")" },
  {
    args: "probe app.example:nope",
    stderr:
      'afcgi: probe: Cannot read address "app.example:nope": port "nope" is not one (use 0 to 65535)',
  },
  {
    args: "probe app.example --timeout 3",
    stderr:
      'afcgi: --timeout: Cannot read time "3" (use a whole number with ms, s, m or h, such as 3s)',
  },
  {
    args: "request app status",
    stderr: 'afcgi: Cannot read URL "status" ' +
      '(use a path such as "/status", or "http://example.com/status")',
  },
  {
    args: "request app /%ff",
    stderr: 'afcgi: The path "/%ff" is not UTF-8 (use --param SCRIPT_NAME=...)',
  },
  {
    args: "request app --role resonder",
    stderr: "afcgi: option '--role <role>' argument 'resonder' is invalid. " +
      'Allowed choices are responder, authorizer, filter (see "afcgi --help")',
  },
  {
    args: "request app --param =x",
    stderr: 'afcgi: --param: Cannot read "=x" (use NAME=value)',
  },
  {
    args: "request app --header none",
    stderr: 'afcgi: --header: Cannot read "none" (use "Name: value")',
  },
  {
    args: "request app --header Content-Length:1",
    stderr: 'afcgi: --header: "content-length" never becomes a parameter ' +
      "(it is the length of --body)",
  },
  {
    args: "request app --header Proxy:x",
    stderr: 'afcgi: --header: "proxy" never becomes a parameter (use --param)',
  },
  {
    args: "request app --header Host:a/b",
    stderr: 'afcgi: --header: Host "a/b" is malformed (use a name, such as "example.com")',
  },
  {
    args: "request app --method (",
    stderr: 'afcgi: --method: "(" is no method (use a word such as GET)',
  },
  {
    args: "request app --body nothing",
    stderr: 'afcgi: --body: There is no file "nothing" (name one, or - for standard input)',
  },
  {
    args: "request app --role authorizer --body -",
    stderr: "afcgi: --body: An authorizer gets no body (leave it out)",
  },
  {
    args: "request app --data x",
    stderr: "afcgi: --data: A filter, and only a filter, has it (use both or neither)",
  },
  {
    args: "request app --role filter",
    stderr: "afcgi: --data: A filter, and only a filter, has it (use both or neither)",
  },
  {
    args: "responder --delay soon",
    stderr: 'afcgi: --delay: "soon" cannot be used (use a whole number, 0 to 2147483647)',
  },
  {
    args: "responder --max-requests 0",
    stderr: 'afcgi: --max-requests: "0" cannot be used (use a whole number, 1 to 1000000)',
  },
  {
    args: "demo --listen nowhere",
    stderr:
      'afcgi: --listen: Cannot read address "nowhere": the port is missing (use "nowhere:PORT")',
  },
  {
    args: "check a.yaml --config b.yaml",
    stderr: 'afcgi: The file is named twice: "a.yaml" and with --config (keep one)',
  },
  {
    args: "ping https://h/readyz",
    stderr: 'afcgi: Cannot ask "https://h/readyz": the admin listener has no TLS ' +
      '(use "http://127.0.0.1:9180/readyz")',
  },
  {
    args: "ping http://",
    stderr: 'afcgi: Cannot ask "http://": it is no URL (use "http://127.0.0.1:9180/readyz")',
  },
  {
    args: "serve",
    stderr: 'afcgi: There is neither "afcgi.yaml" nor "/etc/afcgi/afcgi.yaml" ' +
      "(name a file with --config, or an application with --upstream or --spawn)",
  },
  {
    args: "serve --upstream h --workers many",
    stderr: '--workers: Cannot read "many" as workers (use auto, or a number from 1 to 63)',
  },
];

for (const { args, stderr } of WRONG) {
  test(`Wrong usage is told in one line with status 2: afcgi ${args}`, async () => {
    assert.deepEqual(await runCommand(args), { status: 2, stdout: "", stderr: `${stderr}\n` });
  });
}

test("Without a command the help goes to standard error with status 2", async () => {
  const { status, stdout, stderr } = await runCommand("");
  assert.equal(status, 2);
  assert.equal(stdout, "");
  for (const { name, summary } of COMMANDS) {
    assert.ok(stderr.includes(name) && stderr.includes(summary.split(" ")[0]!), name);
  }
});

test("Help that was asked for goes to standard output with status 0", async () => {
  for (const args of ["--help", ...COMMANDS.map(({ name }) => `${name} --help`)]) {
    const { status, stdout, stderr } = await runCommand(args);
    assert.deepEqual([status, stderr], [0, ""], args);
    assert.ok(stdout.startsWith("Usage: afcgi"), args);
  }
});

test("Every command has -q and -v", async () => {
  for (const { name } of COMMANDS) {
    const { stdout } = await runCommand(`${name} --help`);
    assert.match(stdout, /-q, --quiet/, name);
    assert.match(stdout, /-v, --verbose/, name);
  }
});

test("The help of serve names each flag and its variable", async () => {
  const { stdout } = await runCommand("serve --help");
  for (const setting of SETTINGS) {
    assert.ok(stdout.includes(setting.flags), setting.flags);
    assert.ok(stdout.replaceAll(/\s+/g, " ").includes(`[${variableName(setting)}]`), setting.key);
  }
});

test("Nothing that is printed has colour", async () => {
  for (const args of ["--help", "srve", "version", "schema"]) {
    const { stdout, stderr } = await runCommand(args);
    assert.ok(!(stdout + stderr).includes("\x1b"), args);
  }
});
