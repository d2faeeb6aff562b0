/** `examples/git-over-http` and `examples/cgi-bin`: programs behind fcgiwrap, which afcgi starts. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { missingPeer } from "../support/peers.ts";
import { httpRequest } from "../support/raw_http.ts";
import { copyExample, startExample } from "./common.ts";

const PASSWORD = "sesame";

function git(directory: string, ...args: string[]): string {
  const env = {
    ...process.env,
    HOME: directory,
    GIT_AUTHOR_NAME: "a",
    GIT_AUTHOR_EMAIL: "a@example.com",
    GIT_COMMITTER_NAME: "a",
    GIT_COMMITTER_EMAIL: "a@example.com",
    GIT_TERMINAL_PROMPT: "0",
  };
  const { status, stdout, stderr } = spawnSync("git", args, { cwd: directory, env });
  assert.equal(status, 0, `git ${args.join(" ")}: ${stderr}`);
  return stdout.toString();
}

test("git-over-http is cloned from and pushed to with the password alone, and cgit shows it", {
  skip: missingPeer("fcgiwrap") || missingPeer("git") || missingPeer("cgit"),
}, async () => {
  const directory = copyExample("git-over-http");
  git(directory, "init", "-q", "--bare", "repositories/a.git");
  const env = { PWD: directory, GIT_PASSWORD: PASSWORD };
  const afcgi = await startExample(join(directory, "afcgi.yaml"), [], env);
  try {
    const { port } = afcgi;
    const target = "/git/a.git/info/refs?service=git-upload-pack";
    assert.equal((await httpRequest(port, { target })).status, 401);
    git(directory, "clone", "-q", `http://anna:${PASSWORD}@127.0.0.1:${port}/git/a.git`, "one");
    writeFileSync(join(directory, "one/file"), "x");
    git(join(directory, "one"), "add", ".");
    git(join(directory, "one"), "commit", "-qm", "A commit that cgit shows");
    git(join(directory, "one"), "push", "-q", "origin", "HEAD:refs/heads/main");
    const page = await httpRequest(port, { target: "/cgit/a.git/log/?h=main" });
    assert.equal(page.status, 200);
    assert.ok(page.body.toString().includes("A commit that cgit shows"));
  } finally {
    await afcgi.stop();
  }
});

test("cgi-bin runs its programs with PATH_INFO, and sends no file", {
  skip: missingPeer("fcgiwrap"),
}, async () => {
  const directory = copyExample("cgi-bin");
  writeFileSync(join(directory, "cgi-bin/secret.txt"), "secret");
  const afcgi = await startExample(join(directory, "afcgi.yaml"));
  try {
    const ask = (target: string) => httpRequest(afcgi.port, { target });
    const { status, body } = await ask("/cgi-bin/hello.cgi/world");
    assert.deepEqual([status, body.toString()], [200, "Hello world\n"]);
    for (const path of ["/cgi-bin/secret.txt", "/cgi-bin/none.cgi", "/afcgi.yaml"]) {
      const refused = await ask(path);
      assert.ok(refused.status >= 400, path);
      assert.ok(!refused.body.toString().includes("secret"));
    }
  } finally {
    await afcgi.stop();
  }
});
