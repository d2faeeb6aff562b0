/**
 * What reloads leave behind: nothing that grows with their number, whatever they change, and whether
 * they are committed, discarded or fail. Objects are counted, for memory as the system sees it goes up
 * and down by more than a hundred configurations take.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AppOptions, ListenOptions } from "../../src/app/options.ts";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { selfSigned } from "../support/certificates.ts";
import {
  freshSocket,
  type Gateway,
  gatewayAppOptions,
  LISTEN,
  startGateway,
} from "../support/gateway.ts";
import { turn } from "../support/idle.ts";
import { runCount } from "../support/long_runs.ts";
import { waitUntil } from "../support/places.ts";

const WARM_UP = 60;
const RELOADS = runCount(200, 2_000);
/** A configuration is some hundred objects; promises and timers of the moment come and go. */
const OBJECTS_PER_RELOAD_MAX = 10;

/** Objects that are alive. */
async function objectCount(): Promise<number> {
  for (let round = 0; round < 5; round++) await turn();
  const { fullGC, heapStats } = await import("bun:jsc");
  fullGC();
  fullGC();
  return heapStats().objectCount;
}

const files = selfSigned("/CN=localhost", "subjectAltName=DNS:localhost");
const secure: ListenOptions = {
  ...LISTEN,
  tls: { pair: { cert: files.certPath, key: files.keyPath } },
};

/** What changes from one reload to the next, by its number. */
const CHANGES: Readonly<Record<string, (options: AppOptions, number: number) => AppOptions>> = {
  "an upstream": (options, number) => ({
    ...options,
    upstreams: options.upstreams.map((one) => ({
      ...one,
      queue: { lengthMax: 100 + number, timeoutMs: 1_000 },
    })),
  }),
  "servers of an upstream": (options, number) => ({
    ...options,
    upstreams: options.upstreams.map((one) => ({
      ...one,
      servers: [...one.servers, { ...one.servers[0]!, address: freshSocket() }].slice(number % 2),
    })),
  }),
  "sites": (options, number) => ({
    ...options,
    sites: options.sites.map((site) => ({ ...site, hosts: [`site-${number}.test`] })),
  }),
  "listeners, with TLS and without": (options, number) => ({
    ...options,
    listen: number % 2 === 0 ? options.listen : [...options.listen, secure],
  }),
  "nothing": (options) => ({ ...options }),
};

async function withGateway(use: (gateway: Gateway, options: AppOptions) => Promise<void>) {
  const address = freshSocket();
  const server = await serveFastCgi(() => new Response("served"), { listen: address });
  const options = gatewayAppOptions({}, address);
  const gateway = await startGateway(options);
  try {
    await use(gateway, options);
  } finally {
    await gateway.app.stop();
    await server.shutdown({ grace: 0 });
  }
}

async function checkGrowth(reload: (number: number) => Promise<void>): Promise<void> {
  for (let number = 0; number < WARM_UP; number++) await reload(number);
  const before = await objectCount();
  for (let number = 0; number < RELOADS; number++) await reload(WARM_UP + number);
  // What the last of them replaced may still be closing; what leaks stays.
  await waitUntil(
    async () => (await objectCount() - before) / RELOADS < OBJECTS_PER_RELOAD_MAX,
    `less than ${OBJECTS_PER_RELOAD_MAX} objects left for each reload`,
  );
}

for (const [what, change] of Object.entries(CHANGES)) {
  test(`${RELOADS} reloads that change ${what} leave nothing behind`, async () => {
    await withGateway(({ app }, options) =>
      checkGrowth(async (number) => {
        await (await app.prepare(change(options, number))).commit();
      })
    );
  });
}

test(`${RELOADS} configurations that are discarded, or fail, leave nothing behind`, async () => {
  await withGateway(({ app }, options) =>
    checkGrowth(async (number) => {
      if (number % 2 === 0) {
        return await (await app.prepare(CHANGES["an upstream"]!(options, number))).discard();
      }
      const pair = { cert: "/nonexistent", key: "/nonexistent" };
      const faulty = { ...options, listen: [...options.listen, { ...LISTEN, tls: { pair } }] };
      await assert.rejects(app.prepare(faulty));
    })
  );
});
