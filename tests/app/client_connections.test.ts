/** Bounds of clients' connections against a model, with bounds that change and threads that share. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  ClientConnections,
  type ClientShare,
  WHEN_FULL,
} from "../../src/app/client_connections.ts";

type Act =
  | { readonly kind: "connect"; readonly host: string }
  | { readonly kind: "leave"; readonly at: number }
  | {
    readonly kind: "configure";
    readonly max: number;
    readonly whenFull: "refuse" | "wait";
    readonly exempt: readonly string[];
  };

/** By what they are counted: of IPv6 a /64. */
const GROUPS: Readonly<Record<string, string>> = {
  "192.0.2.1": "192.0.2.1",
  "192.0.2.2": "192.0.2.2",
  "2001:db8::1": "2001:db8::/64",
  "2001:db8::2": "2001:db8::/64",
  "10.0.0.1": "10.0.0.1",
  "": "a unix socket",
};
const HOSTS = Object.keys(GROUPS);
/** The proxies that are trusted: also one in whose /64 there are strangers. */
const EXEMPT = ["10.0.0.1", "2001:db8::1"];

const anyAct: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("connect" as const),
      host: fc.constantFrom(...HOSTS),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("leave" as const), at: fc.nat(20) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("configure" as const),
      max: fc.integer({ min: 1, max: 6 }),
      whenFull: fc.constantFrom(...WHEN_FULL),
      exempt: fc.subarray(HOSTS),
    }),
  },
);

/** The other threads have nobody; what this one counts is there to be looked at. */
class CountedShare implements ClientShare {
  readonly threads = 2;
  total = 0;
  readonly accepts = true;
  readonly groups = new Map<string, number>();
  isWaiting = false;

  listen(): void {}

  wait(isWaiting: boolean): void {
    this.isWaiting = isWaiting;
  }

  enter(max: number): boolean {
    if (this.total >= max) return false;
    this.total++;
    return true;
  }

  leave(): void {
    this.total--;
  }

  enterAddress(group: string, max: number): boolean {
    const count = this.groups.get(group) ?? 0;
    if (count >= max) return false;
    this.groups.set(group, count + 1);
    return true;
  }

  leaveAddress(group: string): void {
    const count = this.groups.get(group)! - 1;
    if (count === 0) this.groups.delete(group);
    else this.groups.set(group, count);
  }
}

function check(acts: readonly Act[], share: CountedShare | undefined): void {
  let max = 3;
  let whenFull: "refuse" | "wait" = "wait";
  let exempt: readonly string[] = EXEMPT;
  const perAddressMax = 2;
  let isPaused = false;
  const bounds = () => ({
    share,
    max,
    perAddressMax,
    whenFull,
    isExempt: (host: string) => exempt.includes(host),
  });
  const connections = new ClientConnections({
    ...bounds(),
    onRefused: () => {},
    onWaiting: () => {},
  });
  connections.add({ pause: () => void (isPaused = true), resume: () => void (isPaused = false) });
  const open: { readonly host: string; readonly isBounded: boolean }[] = [];
  const countOf = (host: string) =>
    open.filter((one) => one.isBounded && GROUPS[one.host] === GROUPS[host]).length;
  // Of one host those without a bound go first: which of its connections it is makes no difference.
  const leave = (host: string) => {
    const ofHost = open.filter((one) => one.host === host);
    open.splice(open.indexOf(ofHost.find((one) => !one.isBounded) ?? ofHost[0]!), 1);
    connections.leave(host);
  };
  for (const act of acts) {
    if (act.kind === "configure") {
      ({ max, whenFull, exempt } = act);
      connections.configure(bounds());
    } else if (act.kind === "connect") {
      const isBounded = act.host !== "" && !exempt.includes(act.host);
      const fits = open.length < max && (!isBounded || countOf(act.host) < perAddressMax);
      assert.equal(connections.admit(act.host), fits, `${act.host} of ${JSON.stringify(open)}`);
      if (fits) open.push({ host: act.host, isBounded });
    } else if (open.length > 0) leave(open[act.at % open.length]!.host);
    assert.equal(connections.open, open.length);
    assert.equal(isPaused, whenFull === "wait" && open.length >= max, `with ${open.length}`);
    if (share === undefined) continue;
    assert.deepEqual([share.total, share.isWaiting], [open.length, isPaused]);
  }
  for (const { host } of [...open]) leave(host);
  assert.deepEqual(
    [connections.open, connections.addresses, isPaused, share?.total ?? 0, share?.groups.size ?? 0],
    [0, 0, false, 0, 0],
    "something is left of clients that have gone",
  );
}

for (const isShared of [false, true]) {
  const how = isShared ? "with other threads" : "alone";
  test(`As many clients as fit are let in, the others wait or are refused, ${how}`, () => {
    fc.assert(
      fc.property(
        fc.array(anyAct, { maxLength: 60, size: "max" }),
        (acts) => check(acts, isShared ? new CountedShare() : undefined),
      ),
      { numRuns: 500 },
    );
  });
}
