/** Many servers: the best of them is found without a look at the others, and is the best all the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { noAttempts } from "../../src/upstream/attempts.ts";
import { Balancer, MANY_SERVERS, OWNERS_MAX } from "../../src/upstream/balancer.ts";
import type { BalanceMode } from "../../src/upstream/options.ts";
import type { Server } from "../../src/upstream/server.ts";
import { ServerHeap } from "../../src/upstream/server_heap.ts";
import { OwnTurns } from "../../src/upstream/server_turns.ts";
import { hashText } from "../../src/upstream/sticky_hash.ts";

/** How often any of them was looked at. */
let looks = 0;

/** What a balancer looks at of a server, and no more. */
class FakeServer {
  readonly address: string;
  readonly hash: number;
  readonly isBackup: boolean;
  readonly standing = { turns: new OwnTurns() };
  load = 0;
  share: number;
  isAway = false;
  hasRoom = true;

  constructor(place: number, weight = 1, isBackup = false) {
    this.address = `tcp://10.0.0.${place}:9000`;
    this.hash = hashText(this.address);
    this.share = weight;
    this.isBackup = isBackup;
  }

  get streams(): number {
    looks++;
    return this.load;
  }

  get requestsUnderWay(): number {
    return this.streams;
  }

  get weight(): number {
    looks++;
    return this.share;
  }

  get isEjected(): boolean {
    looks++;
    return this.isAway;
  }

  place(): object | undefined {
    looks++;
    if (!this.hasRoom) return undefined;
    this.load++;
    return { server: this };
  }
}

interface World {
  readonly servers: readonly FakeServer[];
  readonly balancer: Balancer;
  /** Who gets a request; undefined where nobody has room. */
  place(keyHash?: number): FakeServer | undefined;
  end(server: FakeServer): void;
}

function world(servers: readonly FakeServer[], mode: BalanceMode): World {
  const balancer = new Balancer(servers as never, mode);
  return {
    servers,
    balancer,
    place: (keyHash) => {
      const attempts = noAttempts(Infinity, keyHash);
      const connection = balancer.place(attempts);
      return (connection as unknown as { server: FakeServer } | undefined)?.server;
    },
    end: (server) => {
      server.load--;
      balancer.changed(server as never as Server);
    },
  };
}

const fakeServers = (count: number) => Array.from({ length: count }, (_, at) => new FakeServer(at));

for (const mode of ["least_requests", "round_robin"] as const) {
  test(`With ${mode} 1,000 servers are not looked through for a request`, () => {
    const { place, end } = world(fakeServers(1_000), mode);
    const open: FakeServer[] = [];
    for (let count = 0; count < 500; count++) open.push(place()!);
    looks = 0;
    for (let count = 0; count < 1_000; count++) {
      open.push(place()!);
      end(open.splice((count * 7) % open.length, 1)[0]!);
    }
    assert.ok(looks / 1_000 < 20, `${looks / 1_000} looks for a request`);
  });

  test(`With ${mode} each of 300 servers gets its turn, one after the other`, () => {
    const { servers, place } = world(fakeServers(300), mode);
    for (let round = 0; round < 3; round++) {
      for (const server of servers) assert.equal(place(), server);
    }
  });

  test(`With ${mode} many servers that rest cost no more than few`, () => {
    const { servers, place } = world(fakeServers(1_000), mode);
    for (const server of servers.slice(0, 900)) server.isAway = true;
    // Those that rest are found out once, when they are on top.
    for (let count = 0; count < 100; count++) assert.ok(!place()!.isAway);
    looks = 0;
    for (let count = 0; count < 100; count++) assert.ok(!place()!.isAway);
    assert.ok(looks / 100 < 12, `${looks / 100} looks for a request`);
    for (const server of servers) server.isAway = false;
    for (let count = 0; count < 2_000; count++) place();
    const idle = servers.filter(({ load }) => load === 0);
    assert.equal(idle.length, 0, "all have got requests again");
  });
}

test("By weight many servers get their shares of turns", () => {
  const servers = Array.from({ length: 30 }, (_, at) => new FakeServer(at, 1 + at % 3));
  const { place } = world(servers, "round_robin");
  for (let count = 0; count < 60 * 10; count++) place();
  for (const { load, share } of servers) assert.ok(Math.abs(load - 10 * share) <= 1, `${load}`);
});

test("The one of many that is idle gets the next request", () => {
  const { servers, place, end } = world(fakeServers(300), "least_requests");
  for (let count = 0; count < 600; count++) place();
  for (const at of [250, 3, 127]) {
    end(servers[at]!);
    end(servers[at]!);
    assert.equal(place(), servers[at]);
    assert.equal(place(), servers[at]);
  }
});

test("Where the best of many has no room another one gets the request, and nobody where none has", () => {
  const { servers, place } = world(fakeServers(40), "least_requests");
  servers[0]!.hasRoom = false;
  assert.equal(place(), servers[1]);
  assert.equal(place(), servers[2]);
  for (const server of servers) server.hasRoom = false;
  assert.equal(place(), undefined);
  servers[39]!.hasRoom = true;
  assert.equal(place(), servers[39]);
});

test("Backups of many get requests only while all others rest", () => {
  const servers = Array.from({ length: 40 }, (_, at) => new FakeServer(at, 1, at >= 20));
  const { place } = world(servers, "round_robin");
  for (let count = 0; count < 100; count++) assert.ok(!place()!.isBackup);
  for (const server of servers.slice(0, 20)) server.isAway = true;
  const got = new Set(Array.from({ length: 40 }, () => place()!));
  assert.deepEqual([...got].map(({ isBackup }) => isBackup), Array(20).fill(true));
  servers[7]!.isAway = false;
  for (let count = 0; count < 30; count++) place();
  assert.equal(place(), servers[7]);
});

test("The owner of a key among many is remembered, and is the one that looking at all finds", () => {
  const servers = fakeServers(200);
  const { balancer, place } = world(servers, "hash");
  const keys = Array.from({ length: 100 }, (_, at) => hashText(`user ${at}`));
  const owners = keys.map((key) => balancer.order(new Set(), key)[0]);
  looks = 0;
  for (let round = 0; round < 3; round++) {
    keys.forEach((key, at) => assert.equal(place(key), owners[at]));
  }
  assert.ok(looks / 300 < 5, `${looks / 300} looks for a request`);
  // While it is away another one has the key, and that is not remembered.
  const owner = owners[0] as never as FakeServer;
  owner.isAway = true;
  assert.notEqual(place(keys[0]), owner);
  owner.isAway = false;
  assert.equal(place(keys[0]), owner);
  // Who invents keys does not fill the memory.
  for (let count = 0; count < 2 * OWNERS_MAX; count++) place(count);
  assert.equal(place(keys[0]), owner);
  // A server less moves its own keys alone.
  const left = servers.filter((server) => server !== owner);
  balancer.use(left as never);
  keys.forEach((key, at) => {
    if (owners[at] !== owner as never) assert.equal(place(key), owners[at]);
    else assert.notEqual(place(key), owner);
  });
});

type Step =
  | { readonly kind: "place" }
  | { readonly kind: "end" | "away" | "back"; readonly at: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.constant({ kind: "place" } as const) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("end", "end", "away", "back"),
      at: fc.nat(),
    }),
  },
);

test("Whatever happens to many servers, none that is up is less busy than the one that is chosen", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(1, 2, 5), { minLength: MANY_SERVERS, maxLength: 40 }),
      fc.array(step, { maxLength: 200 }),
      (weights, steps) => {
        const servers = weights.map((weight, at) => new FakeServer(at, weight));
        const { place, end } = world(servers, "least_requests");
        let wasAway = false;
        for (const one of steps) {
          if (one.kind !== "place") {
            const server = servers[one.at % servers.length]!;
            if (one.kind !== "end") server.isAway = one.kind === "away";
            else if (server.load > 0) end(server);
            wasAway ||= one.kind === "away";
            continue;
          }
          const before = servers.map(loadOf);
          const isAllAway = servers.every(({ isAway }) => isAway);
          const chosen = place()!;
          assert.ok(isAllAway || !chosen.isAway);
          // One that is back is asked within as many requests as there are resting.
          if (!wasAway) assert.equal(before[servers.indexOf(chosen)], Math.min(...before));
        }
      },
    ),
    { numRuns: 300 },
  );
});

function loadOf({ load, share }: FakeServer): number {
  return load / share;
}

test("A heap stays one under every change", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(19), fc.nat(9)), { maxLength: 200 }), (changes) => {
      const servers = fakeServers(20);
      const heap = new ServerHeap<FakeServer>(true);
      heap.use(servers);
      for (const [at, load] of changes) {
        const server = servers[at]!;
        const isLess = load <= server.load;
        server.load = load;
        // Who has more is found out, who has fewer is told.
        if (isLess) heap.changed(server);
        const least = Math.min(...servers.map(({ load }) => load));
        assert.equal(heap.top()!.load, least);
        heap.took(heap.top()!);
      }
    }),
  );
});
