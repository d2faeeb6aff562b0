/**
 * Every limit of `limits.http2`, reached by a client that means no good: it loses its connection with
 * ENHANCE_YOUR_CALM and is counted under the limit's name, and a client beside it notices nothing.
 * What one frame less does is shown too. The same with sockets, processes and 64 honest clients is in
 * tests/fault/http2_attack.test.ts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Flag, Setting, WINDOW_DEFAULT } from "../../src/http2/constants.ts";
import {
  CONTROL_LENGTH_MAX,
  HELD_MS,
  HTTP2_LIMIT_DEFAULTS,
  REFILL_MS,
} from "../../src/http2/limits.ts";
import { CONNECTION_TIMEOUTS } from "../../src/http1/server.ts";
import { type Handler, settle, whole } from "../support/http1_world.ts";
import {
  http2World,
  type Http2WorldOptions,
  type MemoryHttp2Client,
} from "../support/http2_world.ts";
import { requestFields, setting, uint32 } from "../support/http2_client.ts";
import type { HttpRequest } from "../../src/runtime/http_request.ts";
import { StreamResponse } from "../../src/runtime/http_response.ts";
import { inWorld } from "../support/world_test.ts";

/** As an application does that is told to give up. */
const waits: Handler = (request) =>
  new Promise((resolve) => request.signal.addEventListener("abort", () => resolve(whole("late"))));
const answerAtOnce: Handler = () => whole("fine");

interface Attack {
  readonly limit: string;
  readonly options?: Http2WorldOptions;
  readonly handler?: Handler;
  /** Frames that may come. */
  readonly allowed: number;
  readonly begin?: (client: MemoryHttp2Client) => void;
  /** One frame, or one stream. */
  readonly act: (client: MemoryHttp2Client, count: number) => void;
  readonly settings?: Uint8Array;
}

const { resetsMax, settingsMax, pingsMax, emptyFramesMax, windowUpdatesMax } = HTTP2_LIMIT_DEFAULTS;

const ATTACKS: Readonly<Record<string, Attack>> = {
  "resets each stream at once (CVE-2023-44487)": {
    limit: "resets",
    handler: waits,
    allowed: resetsMax,
    act: (client) => client.reset(client.request()),
  },
  "makes us reset each stream by a malformed request (CVE-2025-8671)": {
    limit: "resets",
    allowed: resetsMax,
    act: (client) => void client.request(requestFields("GET", "/", [["te", "gzip"]])),
  },
  "makes us reset each stream by an empty WINDOW_UPDATE (CVE-2025-8671)": {
    limit: "resets",
    handler: waits,
    allowed: resetsMax,
    act: (client) => client.windowUpdate(client.request(), 0),
  },
  "makes us reset each stream by a window that is too large (CVE-2025-8671)": {
    limit: "resets",
    handler: waits,
    allowed: resetsMax,
    act: (client) => client.windowUpdate(client.request(), 0x7fffffff),
  },
  "makes us reset each stream by DATA behind its end (CVE-2025-8671)": {
    limit: "resets",
    handler: waits,
    allowed: resetsMax,
    act: (client) => client.data(client.request(), "x"),
  },
  "begins more streams than it may": {
    limit: "resets",
    handler: waits,
    allowed: resetsMax,
    begin: (client) => {
      for (let count = 0; count < HTTP2_LIMIT_DEFAULTS.streamsMax; count++) client.request();
    },
    act: (client) => void client.request(),
  },
  "sends SETTINGS without end (CVE-2019-9515)": {
    limit: "settings",
    allowed: settingsMax,
    act: (client) => client.frame("SETTINGS", 0, 0, setting(Setting.INITIAL_WINDOW_SIZE, 1)),
  },
  "sends PING without end (CVE-2019-9512)": {
    limit: "pings",
    allowed: pingsMax,
    act: (client) => client.ping(),
  },
  "answers PINGs that nobody sent": {
    limit: "pings",
    allowed: pingsMax,
    act: (client) => client.ping(Flag.ACK),
  },
  "sends empty DATA without end (CVE-2019-9518)": {
    limit: "empty_frames",
    handler: waits,
    allowed: emptyFramesMax,
    begin: (client) => void client.request(requestFields("POST", "/"), false),
    act: (client) => client.data(1, ""),
  },
  "sends DATA of padding alone": {
    limit: "empty_frames",
    handler: waits,
    allowed: emptyFramesMax,
    begin: (client) => void client.request(requestFields("POST", "/"), false),
    act: (client) => client.frame("DATA", Flag.PADDED, 1, Uint8Array.of(3, 0, 0, 0)),
  },
  "sends PRIORITY without end (CVE-2019-9513)": {
    limit: "empty_frames",
    allowed: emptyFramesMax,
    act: (client) => client.frame("PRIORITY", 0, 3, Uint8Array.of(0, 0, 0, 1, 16)),
  },
  "sends PRIORITY_UPDATE without end": {
    limit: "empty_frames",
    allowed: emptyFramesMax,
    act: (client, count) => client.frame("PRIORITY_UPDATE", 0, 0, uint32(2 * count + 1)),
  },
  "sends frames that nobody knows": {
    limit: "empty_frames",
    allowed: emptyFramesMax,
    act: (client) => client.frame(0x77, 0, 0),
  },
  "acknowledges SETTINGS without end": {
    limit: "empty_frames",
    allowed: emptyFramesMax,
    act: (client) => client.frame("SETTINGS", Flag.ACK, 0),
  },
  "opens the connection's window a byte at a time": {
    limit: "window_updates",
    allowed: windowUpdatesMax,
    act: (client) => client.windowUpdate(0, 1),
  },
  "has its response sent a byte at a time (CVE-2019-9511)": {
    limit: "window_updates",
    // Each of them has a WINDOW_UPDATE and a DATA frame.
    allowed: windowUpdatesMax / 2,
    handler: () => whole("x".repeat(windowUpdatesMax)),
    settings: setting(Setting.INITIAL_WINDOW_SIZE, 0),
    begin: (client) => void client.request(),
    act: (client) => client.windowUpdate(1, 1),
  },
  "goes on with a header section for ever (CVE-2024-27316)": {
    limit: "continuations",
    allowed: HTTP2_LIMIT_DEFAULTS.continuationsMax,
    begin: (client) => client.frame("HEADERS", Flag.END_STREAM, 1, client.block([["a", "b"]])),
    act: (client) => client.frame("CONTINUATION", 0, 1, Uint8Array.of(0x82)),
  },
};

for (const [what, attack] of Object.entries(ATTACKS)) {
  const { limit, options = {}, handler = answerAtOnce, allowed, begin, act, settings } = attack;
  test(
    `A client that ${what} loses its connection, and nobody else does`,
    inWorld(async () => {
      const isHonest = ({ headers }: HttpRequest) => headers.get("x-honest") !== null;
      const world = await http2World(
        (request, peer) => isHonest(request) ? whole("fine") : handler(request, peer),
        options,
      );
      const honest = world.open();
      const attacker = world.open(settings);
      begin?.(attacker);
      for (let count = 0; count < allowed; count++) {
        act(attacker, count);
        if (count % 50 === 0) await settle();
      }
      assert.equal(attacker.read().goaway, undefined, "one frame too early");
      act(attacker, allowed);
      assert.equal(attacker.read().goaway, "ENHANCE_YOUR_CALM");
      assert.deepEqual(world.goaways.map(({ reason }) => reason), [limit]);
      assert.equal(world.goaways[0]!.error!.limit, limit);
      assert.equal(attacker.socket.ended, "end");
      const id = honest.request(requestFields("GET", "/", [["x-honest", "1"]]));
      assert.equal(honest.read().text(id), "fine");
      assert.equal(honest.goaway, undefined);
      await settle();
      assert.equal(world.counts.streams, 0);
    }),
  );
}

test(
  "What was used up comes back with the time",
  inWorld(async () => {
    const { open, clock } = await http2World(answerAtOnce);
    const client = open();
    for (let round = 0; round < 4; round++) {
      for (let count = 0; count < pingsMax; count++) client.ping();
      clock.advance(REFILL_MS + 1000);
    }
    assert.equal(client.read().goaway, undefined);
  }),
);

test(
  "Who cancels some of many streams is not held for an attacker",
  inWorld(async () => {
    const { open } = await http2World((request, peer) =>
      request.url.endsWith("/slow") ? waits(request, peer) : whole("x")
    );
    const client = open();
    for (let count = 0; count < resetsMax + 50; count++) {
      client.request();
      client.reset(client.request(requestFields("GET", "/slow")));
      // What has been told is looked at before it is forgotten.
      assert.equal((await client.settled()).goaway, undefined);
      client.frames.length = 0;
    }
  }),
);

test(
  "A client that reads much may open its windows often",
  inWorld(async () => {
    const length = 10_000_000;
    const { open } = await http2World(() => whole("x".repeat(length)));
    const client = open();
    const id = client.request();
    let received = 0;
    for (let count = 0; received < length; count++) {
      await settle();
      client.read();
      received += client.response(id).body.length;
      client.frames.length = 0;
      for (let update = 0; update < 4; update++) {
        client.windowUpdate(0, 8 * 1024);
        client.windowUpdate(id, 8 * 1024);
      }
    }
    assert.equal(client.goaway, undefined);
  }),
);

test(
  "One stream too many is refused, and may be sent again",
  inWorld(async () => {
    let asked = 0;
    const { open } = await http2World(() => {
      asked++;
      return new Promise(() => {});
    }, { limits: { streamsMax: 3 } });
    const client = open();
    const ids = [1, 2, 3, 4].map(() => client.request());
    assert.equal(client.read().response(ids[3]!).reset, "REFUSED_STREAM");
    client.reset(ids[0]!);
    client.request();
    client.read();
    assert.equal(client.of("RST_STREAM").length, 1);
    assert.equal(asked, 4);
  }),
);

test(
  "Handlers of streams that were reset count as long as they go on",
  inWorld(async () => {
    let running = 0;
    let most = 0;
    const { open } = await http2World(() => {
      most = Math.max(most, ++running);
      return new Promise(() => {});
    }, { limits: { streamsMax: 4 } });
    const client = open();
    for (let count = 0; count < 100; count++) client.reset(client.request());
    assert.equal(most, 8);
  }),
);

test(
  "A header section that is too large is a 431, and the next request is understood",
  inWorld(async () => {
    const { open } = await http2World(answerAtOnce, { limits: { headerListMax: 4096 } });
    const client = open();
    const large = client.request(requestFields("GET", "/", [["x", "y".repeat(5000)]]));
    const many = client.request(
      requestFields("GET", "/", Array.from({ length: 300 }, (_, index) => [`x-${index}`, ""])),
    );
    const fine = client.request();
    client.read();
    assert.deepEqual(
      [client.response(large).status, client.response(many).status, client.text(fine)],
      [431, 431, "fine"],
    );
  }),
);

test(
  "A small block that unpacks to much is too large as well (HPACK bomb)",
  inWorld(async () => {
    const { open } = await http2World(answerAtOnce);
    const client = open();
    client.request(requestFields("GET", "/", [["x-bomb", "y".repeat(500)]]));
    const bomb = requestFields(
      "GET",
      "/",
      Array.from({ length: 4000 }, () => ["x-bomb", "y".repeat(500)] as const),
    );
    const id = client.request(bomb);
    assert.equal(client.read().response(id).status, 431);
  }),
);

test(
  "A header section whose end does not come in time ends the connection",
  inWorld(async () => {
    const { open, clock, goaways } = await http2World(answerAtOnce);
    const client = open();
    client.frame("HEADERS", Flag.END_STREAM, 1, client.block([["a", "b"]]));
    clock.advance(CONNECTION_TIMEOUTS.headersMs + 2000);
    assert.equal(client.read().goaway, "ENHANCE_YOUR_CALM");
    assert.deepEqual(goaways.map(({ reason }) => reason), ["header_timeout"]);
  }),
);

test(
  "Bodies that nobody reads have a bound for the whole connection",
  inWorld(async () => {
    const { open, goaways } = await http2World(waits, { limits: { memoryMax: 200_000 } });
    const client = open();
    for (let stream = 0; stream < 10 && client.goaway === undefined; stream++) {
      const id = client.request(requestFields("POST", "/"), false);
      for (let left = WINDOW_DEFAULT; left > 0; left -= 16_384) {
        client.data(id, new Uint8Array(Math.min(left, 16_384)));
      }
      client.read();
    }
    assert.equal(client.goaway, "ENHANCE_YOUR_CALM");
    assert.deepEqual(goaways.map(({ reason }) => reason), ["memory"]);
  }),
);

test(
  "Bodies of single bytes take no more memory than they have bytes",
  inWorld(async () => {
    const { open } = await http2World(waits, { limits: { memoryMax: 100_000 } });
    const client = open();
    const id = client.request(requestFields("POST", "/"), false);
    for (let count = 0; count < 20_000; count++) client.data(id, "x");
    assert.equal(client.read().goaway, undefined);
  }),
);

test(
  "Who holds much of responses gets no new ones, and is ended when nothing moves",
  inWorld(async () => {
    let asked = 0;
    const { open, clock, goaways } = await http2World(() => {
      asked++;
      return whole("x".repeat(100_000));
    }, { limits: { memoryMax: 250_000 } });
    const client = open(setting(Setting.INITIAL_WINDOW_SIZE, 0));
    const ids = Array.from({ length: 10 }, () => client.request());
    assert.equal(asked, 3);
    client.windowUpdate(0, 200_000);
    client.windowUpdate(ids[0]!, 100_000);
    await client.settled();
    assert.equal(client.response(ids[0]!).body.length, 100_000);
    assert.equal(asked, 4);
    clock.advance(HELD_MS + 3000);
    assert.equal(client.read().goaway, "ENHANCE_YOUR_CALM");
    assert.deepEqual(goaways.map(({ reason }) => reason), ["memory"]);
  }),
);

test(
  "A client that makes us say much and reads nothing is ended",
  inWorld(async () => {
    const { open, goaways } = await http2World(answerAtOnce, { limits: { pingsMax: 100_000 } });
    const client = open();
    client.read();
    client.socket.room = 0;
    let count = 0;
    for (; client.socket.ended === "no" && count < 50_000; count++) client.ping();
    assert.ok(count * 17 < 2 * CONTROL_LENGTH_MAX);
    assert.deepEqual(goaways.map(({ reason }) => reason), ["unread"]);
  }),
);

test(
  "A stream that takes nothing for too long ends, and the others go on",
  inWorld(async () => {
    const { open, clock } = await http2World((request) =>
      request.url.endsWith("/long") ? whole("x".repeat(100)) : whole("fine")
    );
    const client = open(setting(Setting.INITIAL_WINDOW_SIZE, 10));
    const stuck = client.request(requestFields("GET", "/long"));
    for (let time = 0; time < CONNECTION_TIMEOUTS.sendMs + 5000; time += 10_000) {
      clock.advance(10_000);
      client.ping();
      const id = client.request();
      assert.equal((await client.settled()).text(id), "fine");
    }
    assert.equal(client.response(stuck).reset, "CANCEL");
    assert.equal(client.goaway, undefined);
  }),
);

test(
  "A stream whose window is never opened ends as well, whatever is behind it",
  inWorld(async () => {
    let cancelled = 0;
    const endless = () =>
      new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(new Uint8Array(1000)),
        cancel: () => void cancelled++,
      }, { highWaterMark: 0 });
    const { open, clock } = await http2World((request) =>
      request.url.endsWith("/endless") ? new StreamResponse(200, [], endless()) : whole("")
    );
    for (const window of [0, 1000]) {
      cancelled = 0;
      const client = open(setting(Setting.INITIAL_WINDOW_SIZE, window));
      const stuck = [1, 2, 3].map(() => client.request(requestFields("GET", "/endless")));
      await client.settled();
      for (let time = 0; time < CONNECTION_TIMEOUTS.sendMs + 5000; time += 10_000) {
        clock.advance(10_000);
        client.ping();
        const id = client.request();
        assert.equal((await client.settled()).response(id).status, 200);
      }
      for (const id of stuck) assert.equal(client.response(id).reset, "CANCEL");
      assert.equal(client.goaway, undefined);
      assert.equal(cancelled, 3);
    }
  }),
);
