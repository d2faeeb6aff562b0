/** A hash pasted into `basic_auth` must not become the password, which then stands in two files. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runCommand } from "../cli/run_program.ts";
import { withConfig } from "../support/configured.ts";

const configOf = (password: string) => `
sites:
  - basic_auth: { users: { anna: ${password} } }
    routes: [{ respond: { body: in } }]
`;

const HASHES = [
  "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
  "$2b$05$abcdefghijklmnopqrstuv",
  "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC",
  "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/",
  "$1$abc$def",
  "$5$rounds=5000$abc$def",
  "$6$abc$def",
  "$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn",
  "$y$j9T$abc$def",
  "$gy$j9T$abc$def",
  "$argon2id$v=19$m=65536,t=2,p=1$abc$def",
  "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
  "{SSHA}abc",
  "{SSHA512}abc",
  "{CRYPT}$6$abc$def",
  "{PLAIN}secret",
  "{ssha}abc",
];

test("A hash is an error that names what it looks like, and not the hash", async () => {
  for (const hash of HASHES) {
    const tree = { "/etc/afcgi/afcgi.yaml": configOf(`"${hash}"`) };
    const { status, stderr } = await runCommand("check", { tree });
    assert.equal(status, 2, hash);
    assert.match(stderr, /^\/etc\/afcgi\/afcgi\.yaml:3:34: .*looks like a hash.*plain: TEXT/, hash);
    assert.ok(!stderr.includes(hash), hash);
    const env = { HASH: hash };
    const fromEnv = { "/etc/afcgi/afcgi.yaml": configOf('"${env.HASH}"') };
    assert.equal((await runCommand("check", { tree: fromEnv, env })).status, 2, hash);
  }
});

test("A password that looks like one has a way to be said", async () => {
  const basic = (password: string) => ({
    Authorization: `Basic ${Buffer.from(`anna:${password}`).toString("base64")}`,
  });
  for (const password of ["$1$is$my password", "{PLAIN}x"]) {
    const text = configOf(`{ plain: "${password}" }`);
    await withConfig({ text }, async (gateway) => {
      assert.equal((await gateway.send({ headers: basic(password) })).status, 200);
      assert.equal((await gateway.send({ headers: basic("x") })).status, 401);
    });
  }
  for (const password of ["$ecret", "$5", "{x", "a$1$b", "{}", "$$$"]) {
    await withConfig({ text: configOf(`"${password}"`) }, async (gateway) => {
      assert.equal((await gateway.send({ headers: basic(password) })).status, 200, password);
    });
  }
});
