/** basic_auth with a file of users: who comes in, what a change of the file does, and guessing. */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PASSWORD_FILE_LENGTH_MAX } from "../../src/passwords/password_file.ts";
import { WAITING_MAX } from "../../src/passwords/verification_gate.ts";
import { withConfig } from "../support/configured.ts";
import { type Gateway, runtime } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/places.ts";

/** Of "secret"; the last two are bcrypt's with the least cost, of "secret" and of "other". */
const APR1 = "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/";
const SHA512 =
  "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.";
const BCRYPT = "$2y$04$hw/m58m10EwjFyPB1W/x9uYUOVxviHHf6TUgMc0VajgevCQKshk0u";
const OTHER = "$2y$04$0AIa7Qxy.X0YpOjPA5Uoc.4QoNDn/jOljdOkNjwmICTWoD4eln7bS";

const basic = (user: string, password: string) => ({
  Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
});

const TEXT = `
sites:
  - basic_auth: { realm: inside, file: users, users: { plain: word } }
    routes: [{ respond: { body: "\${request.uri}" } }]
`;

async function withUsers(
  users: string,
  use: (gateway: Gateway, path: string) => Promise<void>,
  text = TEXT,
): Promise<void> {
  const directory = temporaryDirectory();
  const path = join(directory, "users");
  writeFileSync(path, users);
  await withConfig({ text, directory }, (gateway) => use(gateway, path));
}

const statusOf = async ({ send }: Gateway, user: string, password: string) =>
  (await send({ target: "/", headers: basic(user, password) })).status;

test("Users of a file come in by each kind of hash, beside those of the configuration", async () => {
  const users = `a:${APR1}\nb:${SHA512}\nc:${BCRYPT}\nbad:secret\n`;
  await withUsers(users, async (gateway) => {
    for (const user of ["a", "b", "c"]) {
      assert.equal(await statusOf(gateway, user, "secret"), 200, user);
      assert.equal(await statusOf(gateway, user, "wrong"), 401, user);
      assert.equal(await statusOf(gateway, user, ""), 401, user);
    }
    assert.equal(await statusOf(gateway, "plain", "word"), 200);
    assert.equal(await statusOf(gateway, "bad", "secret"), 401);
    assert.equal(await statusOf(gateway, "nobody", "secret"), 401);
    assert.equal(await statusOf(gateway, "a", APR1), 401);
    assert.equal(await statusOf(gateway, "a", "secret".repeat(1000)), 401);
    const asked = await gateway.send("/");
    assert.equal(asked.headers.get("www-authenticate"), 'Basic realm="inside"');
  });
});

test("Users with a hash in the configuration come in by their passwords, and by no hash", async () => {
  const entry = (name: string, hash: string) => `${name}: { hash: "${hash}" }`;
  const users = [entry("a", APR1), entry("b", SHA512), entry("c", BCRYPT)].join(", ");
  const text = `
sites:
  - basic_auth: { users: { ${users}, plain: word } }
    routes: [{ respond: {} }]
`;
  await withConfig({ text }, async (gateway) => {
    for (const user of ["a", "b", "c"]) {
      assert.equal(await statusOf(gateway, user, "secret"), 200, user);
      assert.equal(await statusOf(gateway, user, "wrong"), 401, user);
    }
    assert.equal(await statusOf(gateway, "plain", "word"), 200);
    assert.equal(await statusOf(gateway, "a", APR1), 401);
    assert.equal(await statusOf(gateway, "nobody", "secret"), 401);
  });
});

test("A change of the file counts within a second, also for who was in before", async () => {
  await withUsers(`c:${BCRYPT}\n`, async (gateway, path) => {
    assert.equal(await statusOf(gateway, "c", "secret"), 200);
    writeFileSync(path, `c:${OTHER}\n# longer than before\n`);
    const limitMs = runtime.clock.nowMs() + 20_000;
    while (await statusOf(gateway, "c", "secret") === 200) {
      assert.ok(runtime.clock.nowMs() < limitMs, "The old password is good for ever");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal(await statusOf(gateway, "c", "secret"), 401);
    assert.equal(await statusOf(gateway, "c", "other"), 200);
  });
});

test("A file that is gone lets nobody in, and the log says so", async () => {
  await withUsers(`c:${BCRYPT}\n`, async (gateway, path) => {
    rmSync(path);
    assert.equal(await statusOf(gateway, "c", "secret"), 500);
    await gateway.log.find(({ msg }) => String(msg).includes(path));
    // Who needs no file comes in.
    assert.equal(await statusOf(gateway, "plain", "word"), 200);
  });
});

test("The longest file of users counts; a longer one lets nobody in, and the log says why", async () => {
  const line = `c:${BCRYPT}\n`;
  const longest = "#".repeat(PASSWORD_FILE_LENGTH_MAX - line.length - 1) + `\n${line}`;
  await withUsers(longest, async (gateway) => {
    assert.equal(await statusOf(gateway, "c", "secret"), 200);
  });
  await withUsers(`#${longest}`, async (gateway, path) => {
    assert.equal(await statusOf(gateway, "c", "secret"), 500);
    assert.equal(await statusOf(gateway, "plain", "word"), 200);
    const { msg } = await gateway.log.find(({ code }) => code === "file_error");
    assert.equal(msg, `Cannot read "${path}": it has 4194305 bytes of 4194304 at most`);
  });
});

test("Strangers who guess at once are refused beyond a bound, and others are served meanwhile", async () => {
  const guesses = WAITING_MAX * 2;
  const text = TEXT.replace(
    "routes: [",
    "routes: [{ path: /open, basic_auth: null, respond: {} }, ",
  );
  await withUsers(`c:${BCRYPT}\n`, async (gateway) => {
    const statuses = Promise.all(
      Array.from({ length: guesses }, (_, at) => statusOf(gateway, "c", `guess ${at}`)),
    );
    assert.equal((await gateway.send("/open")).status, 200);
    const counted = Object.groupBy(await statuses, (status) => String(status));
    assert.deepEqual(Object.keys(counted).toSorted(), ["401", "503"]);
    assert.ok((counted["401"]?.length ?? 0) >= WAITING_MAX);
    const line = await gateway.access.find(({ status }) => status === 503);
    assert.equal(line["code"], "authentication_busy");
    assert.equal(await statusOf(gateway, "c", "secret"), 200);
  }, text);
});
