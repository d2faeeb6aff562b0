/** Which sockets the process was given, by systemd or by the afcgi before it, and what is none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { InheritedSockets, LISTENERS_VARIABLE } from "../../src/app/inherited_sockets.ts";
import { ListenError } from "../../src/runtime/network.ts";

const PID = 42;

function socketsOf(env: Readonly<Record<string, string>>): InheritedSockets {
  return new InheritedSockets({ pid: PID, env: (name) => env[name] });
}

/** How many sockets systemd has given of each name. */
function namesOf(env: Readonly<Record<string, string>>, ...names: readonly string[]): number[] {
  const sockets = socketsOf(env);
  return names.map((name) => {
    try {
      return sockets.placesOf({ transport: "systemd", name }, 0).length;
    } catch (error) {
      assert.ok(error instanceof ListenError);
      return 0;
    }
  });
}

const GIVEN = { LISTEN_PID: String(PID), LISTEN_FDS: "3", LISTEN_FDNAMES: "web:web:tls" };

test("Sockets of systemd are taken by their names, each of a name by its place", () => {
  assert.deepEqual(namesOf(GIVEN, "web", "tls", "other"), [2, 1, 0]);
  const keys = socketsOf(GIVEN).placesOf({ transport: "systemd", name: "web" }, 0);
  assert.deepEqual(keys, [
    { key: "systemd:web#0", address: undefined },
    { key: "systemd:web#1", address: undefined },
  ]);
  assert.throws(
    () => socketsOf(GIVEN).placesOf({ transport: "systemd", name: "other" }, 0),
    /handed over "web", "tls", but no socket of that name \(set FileDescriptorName=other/,
  );
  assert.throws(
    () => socketsOf({}).placesOf({ transport: "systemd", name: "web" }, 0),
    /systemd has handed over no sockets/,
  );
});

test("What was meant for another process, or is no number of sockets, is nobody's", () => {
  const cases: readonly (readonly [change: Record<string, string>, count: number])[] = [
    [{}, 2],
    [{ LISTEN_PID: String(PID + 1) }, 0],
    [{ LISTEN_PID: "" }, 0],
    [{ LISTEN_FDS: "0" }, 0],
    [{ LISTEN_FDS: "1" }, 1],
    [{ LISTEN_FDS: "-1" }, 0],
    [{ LISTEN_FDS: "1.5" }, 0],
    [{ LISTEN_FDS: "many" }, 0],
    [{ LISTEN_FDS: "65536" }, 2],
    [{ LISTEN_FDS: "65537" }, 0],
  ];
  for (const [change, count] of cases) {
    assert.deepEqual(namesOf({ ...GIVEN, ...change }, "web"), [count], JSON.stringify(change));
  }
  const { LISTEN_PID: _, ...withoutProcess } = GIVEN;
  assert.deepEqual(namesOf(withoutProcess, "web"), [0]);
});

test("What an afcgi has handed over and nobody wants is closed, but for sockets of systemd", () => {
  const handed = { "tcp://[::]:80#0": 5, "unix:/run/a.sock#0": 3, "systemd:web#0": 7 };
  const sockets = socketsOf({ [LISTENERS_VARIABLE]: JSON.stringify(handed) });
  assert.equal(sockets.placesOf({ transport: "systemd", name: "web" }, 0).length, 1);
  assert.deepEqual(sockets.takeRest(), [5, 3]);
  assert.deepEqual(sockets.takeRest(), [], "once");
  for (const text of ["", "7", "null", "[", '{"a":2}', '{"a":"5"}', '{"a":5.5}']) {
    assert.deepEqual(socketsOf({ [LISTENERS_VARIABLE]: text }).takeRest(), [], text);
  }
});

test("Equal addresses are told apart by their number, one that is inherited says itself where it is", () => {
  const sockets = socketsOf({});
  const address = { transport: "tcp", host: "::", port: 80 } as const;
  assert.deepEqual([0, 1].map((number) => sockets.placesOf(address, number)), [
    [{ key: "tcp://[::]:80#0", address }],
    [{ key: "tcp://[::]:80#1", address }],
  ]);
  const [place] = sockets.placesOf({ transport: "inherited", descriptor: 3 }, 0);
  assert.equal(place!.address, undefined);
  assert.equal(sockets.open({ key: "tcp://[::]:80#0", address }), undefined, "it is to be made");
  assert.throws(
    () => sockets.open({ key: "systemd:web#0", address: undefined }),
    /Cannot listen on systemd:web: its socket was closed when it was taken out/,
  );
});
