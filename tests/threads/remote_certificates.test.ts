/** Certificates that another thread holds: what is asked for, and for how long it is known. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TlsIdentity } from "../../src/runtime/connection.ts";
import type { FromThread } from "../../src/threads/messages.ts";
import {
  ASKED_MAX,
  KEPT_MAX,
  KEPT_MS,
  RemoteCertificates,
} from "../../src/threads/remote_certificates.ts";
import { hello } from "../support/acme_world.ts";
import { untilIdle } from "../support/idle.ts";
import { ManualClock } from "../support/memory/memory.ts";

type Question = Extract<FromThread, { readonly kind: "identify" }>;

function world(identity: TlsIdentity | undefined, error?: string) {
  const clock = new ManualClock();
  const asked: Question[] = [];
  let version = 0;
  const certificates = new RemoteCertificates(
    (message) => {
      const question = message as Question;
      asked.push(question);
      const number = identity === undefined ? 0 : 1;
      const told = { kind: "identity" as const, id: question.id, number, identity, error };
      // As over a channel: a copy, and later.
      queueMicrotask(() => certificates.hear(structuredClone(told)));
    },
    clock,
    () => version,
  );
  const change = () => version++;
  const find = async (name = "a.test", protocols?: string[]) => {
    const found = await certificates.identify("tcp://a", name, hello(name, protocols), "");
    await untilIdle();
    return found;
  };
  return { clock, asked, certificates, change, find };
}

const PLAIN = { cert: "CERT", key: "KEY" };

test("What was said is good for a second, for the same name and client, also that there is none", async () => {
  for (const identity of [PLAIN, undefined]) {
    const { clock, asked, find } = world(identity);
    const first = await find();
    assert.deepEqual(first, identity);
    clock.advance(KEPT_MS - 1);
    assert.equal(await find(), first, "the same object, for its sessions");
    assert.equal(asked.length, 1);
    await find("b.test");
    assert.equal(asked.length, 2);
    clock.advance(1);
    assert.equal(await find(), first);
    assert.equal(asked.length, 3);
  }
});

test("A certificate that has changed is asked for at the next handshake, also while it was asked for", async () => {
  const { asked, change, find } = world(PLAIN);
  await find();
  change();
  await find();
  assert.equal(asked.length, 2);
  await find();
  assert.equal(asked.length, 2);
  change();
  const early = find();
  change();
  await early;
  await find();
  assert.equal(asked.length, 4);
});

test("Another configuration forgets what was said, also what was asked before it", async () => {
  const { asked, certificates, find } = world(PLAIN);
  await find();
  certificates.forget();
  await find();
  assert.equal(asked.length, 2);
  const early = find("b.test");
  certificates.forget();
  await early;
  await find("b.test");
  assert.equal(asked.length, 4);
});

test("The certificate of a challenge is asked for each time, and is never another handshake's", async () => {
  const { asked, find } = world({ ...PLAIN, protocols: ["acme-tls/1"] });
  for (let count = 1; count <= 3; count++) {
    assert.deepEqual((await find("a.test", ["acme-tls/1"]))?.protocols, ["acme-tls/1"]);
    assert.equal(asked.length, count);
  }
});

test("An error is that handshake's, and the next one asks again", async () => {
  const { asked, find } = world(undefined, "no such file");
  await assert.rejects(find(), /no such file/);
  await assert.rejects(find(), /no such file/);
  assert.equal(asked.length, 2);
});

test("Names that are remembered have a bound, and the one that came first makes way", async () => {
  const { asked, find } = world(PLAIN);
  for (let name = 0; name < KEPT_MAX; name++) await find(`n${name}.test`);
  await find("n0.test");
  assert.equal(asked.length, KEPT_MAX, "all of them are known");
  await find("more.test");
  await find("more.test");
  await find(`n1.test`);
  assert.equal(asked.length, KEPT_MAX + 1, "one has made way");
  await find("n0.test");
  assert.equal(asked.length, KEPT_MAX + 2);
});

test("A name that is asked for again takes nobody's place", async () => {
  const { clock, asked, find } = world(PLAIN);
  for (let name = 0; name < KEPT_MAX; name++) await find(`n${name}.test`);
  clock.advance(KEPT_MS);
  for (let name = KEPT_MAX - 1; name >= 0; name--) await find(`n${name}.test`);
  const before = asked.length;
  for (let name = 0; name < KEPT_MAX; name++) await find(`n${name}.test`);
  assert.equal(asked.length, before);
});

test("So many handshakes wait for the main thread and no more; each response makes room for one", async () => {
  const ids: number[] = [];
  const certificates = new RemoteCertificates(
    (message) => void ids.push((message as Question).id),
    new ManualClock(),
  );
  const ask = (name: string) =>
    Promise.resolve(certificates.identify("tcp://a", name, hello(name), ""));
  const waiting = Array.from({ length: ASKED_MAX }, (_, index) => ask(`n${index}.test`));
  await assert.rejects(ask("more.test"), /Too many handshakes wait for certificates/);
  assert.equal(ids.length, ASKED_MAX);
  const answer = (id: number) =>
    certificates.hear({ kind: "identity", id, number: 0, identity: undefined, error: undefined });
  answer(ids[0]!);
  // One that nobody has asked for.
  answer(-1);
  assert.equal(await waiting[0], undefined);
  const next = ask("more.test");
  await assert.rejects(ask("one more.test"), /Too many/);
  for (const id of ids) answer(id);
  await Promise.all([...waiting, next]);
});
