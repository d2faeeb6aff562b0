/** The program with which docs/applications.md begins runs as it stands. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FastCgiClient } from "../../src/upstream/fastcgi_client.ts";
import { Child } from "../support/child.ts";
import { temporaryDirectory, waitForListener } from "../support/places.ts";
import { asProgram, ROOT, runArguments } from "./example_program.ts";

const PARAMS = { REQUEST_METHOD: "GET", REQUEST_URI: "/", REMOTE_ADDR: "192.0.2.1" };

test("The first program of docs/applications.md answers, and ends when it is told to", async () => {
  const page = readFileSync(join(ROOT, "docs/applications.md"), "utf8");
  const code = /^```ts\n(.*?)^```$/ms.exec(page)?.[1] ?? "";
  const directory = temporaryDirectory();
  const [file, socket] = [join(directory, "app.ts"), join(directory, "app.sock")];
  writeFileSync(file, asProgram(code).replace("/run/app.sock", socket));
  const application = new Child(process.execPath, runArguments(file), { cwd: ROOT });
  const client = new FastCgiClient(`unix:${socket}`);
  try {
    await waitForListener({ network: "unix", path: socket });
    const response = await client.request({ params: Object.entries(PARAMS) });
    assert.equal(response.status, 200);
    assert.equal(await new Response(response.body as BodyInit).text(), "hello 192.0.2.1\n");
  } finally {
    await client.close();
    assert.deepEqual(await application.stop(), { code: 0, signal: null });
  }
  assert.deepEqual(application.stderr.lines, []);
});
