/** Hashes of passwords as other programs make them, and what is no hash that can be checked. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readPasswordHash } from "../../src/passwords/password_hash.ts";
import { readPasswordEntries } from "../../src/passwords/password_file.ts";
import { currentRuntime } from "../../src/runtime/current.ts";

const fast = currentRuntime().checkBcrypt;

/** Of "secret", by openssl passwd and htpasswd. */
export const HASHES: Readonly<Record<string, string>> = {
  apr1: "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/",
  "sha-512":
    "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.",
  "sha-256": "$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.",
  "sha-256 with rounds": "$5$rounds=1000$abcdefgh$XIppta5rT8zJUu4vAOKQXrwq9uY4Ijlz6VjyOmkx5i4",
  bcrypt: "$2y$05$tIZpTRm3xSf6RbFjjSgpvebSQpE6kas/v79Be4H.bs.eqYQNVWRAO",
};

async function matches(text: string, password: string, check = fast): Promise<boolean> {
  const hash = readPasswordHash(text, check);
  assert.ok(typeof hash !== "string", `${text}: ${String(hash)}`);
  return await hash.matches(password);
}

for (const [kind, text] of Object.entries(HASHES)) {
  test(`A hash of ${kind} that another program made knows its password and no other`, async () => {
    assert.equal(await matches(text, "secret"), true);
    for (const wrong of ["", "Secret", "secret ", "secre", text]) {
      assert.equal(await matches(text, wrong), false, wrong);
    }
  });
}

test("bcrypt is checked alike on our thread and on others, by each of its letters", async () => {
  for (const letter of ["a", "b", "y"]) {
    const text = HASHES["bcrypt"]!.replace(/^\$2./, `$2${letter}`);
    assert.equal(await matches(text, "secret"), true);
    assert.equal(await matches(text, "secret", undefined), true);
    assert.equal(await matches(text, "secreT", undefined), false);
    assert.equal(await matches(text, "secret\0x"), false);
  }
});

test("What cannot be checked, or would take too long, is told", () => {
  const rest = HASHES["bcrypt"]!.slice(7);
  const cases: readonly (readonly [string, RegExp])[] = [
    ["secret", /^it is neither bcrypt, SHA-crypt nor apr1/],
    ["", /^it is neither/],
    ["abJnggxhB/yWI", /^it is neither/],
    ["{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", /^it is neither/],
    ["{PLAIN}secret", /^it is neither/],
    [`$2y$15$${rest}`, /^a bcrypt cost of 15 takes too long \(14 is the highest\)/],
    [`$2y$03$${rest}`, /^bcrypt has no cost of 3/],
    [`$2x$10$${rest}`, /^it is neither/],
    [`$2y$10$${rest}x`, /^it is neither/],
    [
      "$6$rounds=999999999$abcdefgh$" + "x".repeat(86),
      /^999999999 rounds of SHA-crypt take too long/,
    ],
    ["$6$rounds=10$abcdefgh$" + "x".repeat(86), /^SHA-crypt has no 10 rounds/],
    ["$6$abcdefgh$" + "x".repeat(85), /^it is neither/],
    ["$5$abcdefgh$" + "x".repeat(86), /^it is neither/],
    ["$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ", /^it is neither/],
  ];
  for (const [text, expected] of cases) {
    const read = readPasswordHash(text);
    assert.ok(typeof read === "string", text);
    assert.match(read, expected);
  }
});

test("A file of users is read as nginx reads it, and its errors are told by their line", () => {
  const { hashes, errors } = readPasswordEntries(
    [
      "# users",
      "",
      `anna:${HASHES["apr1"]}:a comment`,
      `otto:${HASHES["sha-512"]}\r`,
      "anna:$apr1$another$h9FWgUz3n9YxylKLlR5SQ/",
      "plain:secret",
      `plain:${HASHES["apr1"]}`,
      "nothing",
      ":x",
      `z o\u00eb:${HASHES["apr1"]}`,
    ].join("\n"),
  );
  assert.deepEqual([...hashes.keys()], ["anna", "otto", "z o\u00eb"]);
  assert.equal(hashes.get("anna")!.text, HASHES["apr1"]);
  assert.deepEqual(errors.map((error) => error.slice(0, 40)), [
    'line 6: cannot use the hash of "plain": ',
    "line 8: there is no name and hash (write",
    "line 9: there is no name and hash (write",
  ]);
});

test("The costs that are checked are those from the lowest to the highest", () => {
  const rest = HASHES["bcrypt"]!.slice(7);
  const error = (text: string) => {
    const read = readPasswordHash(text);
    return typeof read === "string" ? read : "";
  };
  assert.equal(error(`$2y$04$${rest}`), "");
  assert.equal(error(`$2y$14$${rest}`), "");
  assert.match(error(`$2y$15$${rest}`), /takes too long/);
  const sha = (rounds: number) => `$5$rounds=${rounds}$abcdefgh$${"x".repeat(43)}`;
  assert.match(error(sha(999)), /has no 999 rounds/);
  assert.equal(error(sha(1000)), "");
  assert.equal(error(sha(500_000)), "");
  assert.match(error(sha(500_001)), /500001 rounds of SHA-crypt take too long \(500000/);
});

test("Of a password bcrypt reads 72 bytes, on our thread and on others", async () => {
  const asked: { password: string; hash: string }[] = [];
  const check: typeof fast = (bytes, hash) => {
    asked.push({ password: new TextDecoder().decode(bytes), hash });
    return Promise.resolve(true);
  };
  const text = HASHES["bcrypt"]!;
  for (const length of [72, 73]) {
    assert.equal(await matches(text, `a${"x".repeat(length - 1)}`, check), true);
    assert.equal(asked.at(-1)?.password, `a${"x".repeat(71)}`);
  }
  assert.equal(asked[0]?.hash, text.replace("$2y$", "$2b$"));
  assert.equal(await matches(text, "a\0", check), false);
  assert.equal(asked.length, 2);
});
