import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, statSync } from "node:fs";
import { CertificateStore, storeName } from "../../src/certificates/store.ts";
import { storeDirectory } from "../../src/certificates/store_directory.ts";
import { currentRuntime } from "../../src/runtime/current.ts";
import { freshPath } from "../runtime/support.ts";

const runtime = currentRuntime();

for (
  const [env, path] of [
    [{ AFCGI_STORE: "/a", STATE_DIRECTORY: "/b", XDG_DATA_HOME: "/c" }, "/a"],
    [{ STATE_DIRECTORY: "/b", XDG_DATA_HOME: "/c" }, "/b"],
    [{ STATE_DIRECTORY: "/b:/other" }, "/b"],
    [{ XDG_DATA_HOME: "/c" }, "/c/afcgi"],
    [{ AFCGI_STORE: "", STATE_DIRECTORY: "", XDG_DATA_HOME: "" }, "/var/lib/afcgi"],
    [{}, "/var/lib/afcgi"],
  ] as [Record<string, string>, string][]
) {
  test(`With ${JSON.stringify(env)} the store is ${path}`, () => {
    assert.equal(storeDirectory(undefined, { env: (name) => env[name] }), path);
  });
}

test("A store keeps what is written, in files and directories that are ours alone", async () => {
  const path = `${freshPath()}/below/store`;
  const store = CertificateStore.open(path, runtime);
  assert.equal(store.read("certificates", "one.pem"), undefined);
  await store.write("certificates", "one.pem", "first");
  await store.write("certificates", "one.pem", "second");
  assert.equal(store.read("certificates", "one.pem"), "second");
  assert.equal(store.create("certificates", "one.pem", "third"), false);
  assert.equal(store.create("accounts", "two.json", "third"), true);
  assert.equal(CertificateStore.open(path, runtime).read("accounts", "two.json"), "third");
  assert.deepEqual(store.list("certificates"), ["one.pem"]);
  assert.deepEqual(readdirSync(`${path}/certificates`), ["one.pem"], "no draft is left behind");
  for (const name of ["certificates", "accounts"]) {
    assert.equal(statSync(`${path}/${name}`).mode & 0o777, 0o700);
  }
  assert.equal(statSync(`${path}/certificates/one.pem`).mode & 0o777, 0o600);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  store.remove("certificates", "one.pem");
  store.remove("certificates", "one.pem");
  assert.equal(store.read("certificates", "one.pem"), undefined);
});

test("A store may lie in a directory that others may read", async () => {
  const path = freshPath();
  mkdirSync(path, { mode: 0o755 });
  const store = CertificateStore.open(path, runtime);
  await store.write("accounts", "a", "text");
  assert.equal(store.read("accounts", "a"), "text");
});

test("Names of the store are the host's own, and no two hosts share one", async () => {
  assert.equal(await storeName("www.example.com"), "www.example.com");
  assert.match(await storeName("*.example.com"), /^_\.example\.com-[0-9a-f]{16}$/);
  assert.match(await storeName("x".repeat(300)), /^x{120}-[0-9a-f]{16}$/);
  const odd = [
    "",
    ".",
    "..",
    "../a",
    "a/b",
    "a\\b",
    "A",
    "ä.example",
    "_.example.com",
    "-a",
    "a\0",
  ];
  const names = new Set<string>();
  for (const name of [...odd, "*.example.com", "2001:db8::1", "x".repeat(300), "x".repeat(301)]) {
    const file = await storeName(name);
    assert.match(file, /^[a-z0-9_][a-z0-9._-]*$/, JSON.stringify(name));
    names.add(file);
  }
  assert.equal(names.size, odd.length + 4);
});
