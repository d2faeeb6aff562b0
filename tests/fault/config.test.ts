/** Faults of the configuration, through the executable: one line that says where and what instead. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { runAfcgi } from "../support/afcgi.ts";
import { temporaryDirectory } from "../support/places.ts";

/** A config in which `LINE` is replaced; what the line of the fault must say, and where it points. */
const SITES = "sites:\n  - routes:\n      - fastcgi: { upstream: app }\n";
const UPSTREAMS = "upstreams:\n  app: { servers: [tcp://127.0.0.1:9] }\n";

const FAULTS = [
  {
    says: "An unknown key",
    text: `listne: [127.0.0.1:0]\n${UPSTREAMS}${SITES}`,
    place: ":1:1:",
    words: /listne.*listen/,
  },
  {
    says: "A value of the wrong type",
    text: `listen: [127.0.0.1:0]\n${UPSTREAMS}${SITES}limits: { request_body: [1] }\n`,
    place: ":7:",
    words: /request_body|size|64MiB/,
  },
  {
    says: "An unknown upstream",
    text: `listen: [127.0.0.1:0]\n${UPSTREAMS}${SITES.replace("app", "apq")}`,
    place: ":6:",
    words: /apq.*app/,
  },
  {
    says: "A YAML text that does not end",
    text: `listen: [127.0.0.1:0\n`,
    place: ":",
    words: /./,
  },
  {
    says: "A file that is not there",
    text:
      `listen:\n  - address: 127.0.0.1:0\n    tls: { cert: /no/such.crt, key: /no/such.key }\n` +
      UPSTREAMS + SITES,
    place: ":3:",
    words: /no\/such/,
  },
] as const;

for (const command of ["check", "serve"] as const) {
  for (const { says, text, place, words } of FAULTS) {
    test(`${says} in the config ends "${command}" with status 2 and says where`, async () => {
      const file = join(temporaryDirectory(), "afcgi.yaml");
      writeFileSync(file, text);
      const { code, stderr, stdout } = await runAfcgi([command, "--config", file]);
      const output = stderr + stdout;
      assert.equal(code, 2, output);
      const line = output.split("\n").find((line) => line.includes(`${file}${place}`));
      assert.ok(line, `no line names ${file}${place}\n${output}`);
      assert.match(line, words);
    });
  }
}

const USAGE = [
  ["A config file that does not exist", ["serve", "--config", "/no/such/afcgi.yaml"], /no\/such/],
  ["An unknown flag", ["serve", "--upstraem", "tcp://127.0.0.1:9"], /--upstream/],
  ["An unknown command", ["sevre"], /serve/],
  ["An upstream that is no address", ["serve", "--upstream", "tcp://:x"], /:x/],
  ["A size that is none", [
    "serve",
    "--upstream",
    "tcp://127.0.0.1:9",
    "--max-body",
    "big",
  ], /big/],
] as const;

for (const [says, args, words] of USAGE) {
  test(`${says} ends with status 2 and one line that names it`, async () => {
    const { code, stderr } = await runAfcgi(args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, words);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  });
}

test("A port in use ends with status 1 or 2 and one line that names it", async () => {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address ? address.port : 0);
    });
  });
  try {
    const listen = `127.0.0.1:${port}`;
    const upstream = ["--upstream", "tcp://127.0.0.1:9", "--preset", "app"];
    const { code, stderr } = await runAfcgi(["serve", ...upstream, "--listen", listen]);
    assert.ok(code === 1 || code === 2, `status ${code}\n${stderr}`);
    // The log may tell of other things (who runs it, which preset was taken).
    const errors = stderr.trim().split("\n").filter((line) =>
      !/"level":"(?:info|warn)"/.test(line)
    );
    assert.equal(errors.length, 1, stderr);
    assert.ok(errors[0]!.includes(listen), stderr);
  } finally {
    server.close();
  }
});
