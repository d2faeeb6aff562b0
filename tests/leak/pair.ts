/**
 * The executable twice: as the gateway, and as the application behind it. Both are looked at from
 * outside: descriptors and memory as the system counts them, and the gateway's own account.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { ADMIN, Admin } from "../support/admin.ts";
import { AFCGI, Afcgi } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import { type Descriptors, descriptorsOf, waitForDescriptors } from "../support/descriptors.ts";
import {
  freePlace,
  type Place,
  placeUrl,
  temporaryDirectory,
  waitForListener,
  waitUntil,
} from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

/** Of an upstream, as configured here; so many may be kept. */
const CONNECTIONS_MAX = 4;

export interface Pair {
  readonly gateway: Afcgi;
  readonly responder: Child;
  readonly admin: Admin;
  /** Where the responder listens. */
  readonly place: Place;
  /** Where the gateway puts temporary files. */
  readonly temporary: string;
}

export async function withPair(
  multiplex: "on" | "off",
  use: (pair: Pair) => Promise<void>,
  upstream: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const place = await freePlace("unix", temporaryDirectory());
  const responder = await startResponder(place);
  const temporary = temporaryDirectory();
  const gateway = await Afcgi.start({
    config: {
      upstreams: {
        app: {
          servers: [placeUrl(place)],
          multiplex,
          connections: { max: CONNECTIONS_MAX },
          queue: { max: 10_000 },
          ...upstream,
        },
      },
      sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
      shutdown: { grace: "500ms" },
      ...ADMIN,
    },
    env: { TMPDIR: temporary },
  });
  try {
    const admin = await Admin.of(gateway);
    await use({ gateway, responder, admin, place, temporary });
  } finally {
    await gateway.stop();
    await responder.stop();
  }
}

/** `afcgi responder`, listening. */
export async function startResponder(place: Place): Promise<Child> {
  const responder = new Child(AFCGI, ["responder", "--listen", placeUrl(place)]);
  await waitForListener(place);
  return responder;
}

/** What each of the two holds before anything is asked of it. */
export interface AtStart {
  readonly gateway: Descriptors;
  readonly responder: Descriptors;
}

export function look({ gateway, responder }: Pair): AtStart {
  return { gateway: descriptorsOf(gateway.child.pid), responder: descriptorsOf(responder.pid) };
}

/** Nothing is left of what was asked but the connections that are kept, and requests go on. */
export async function checkNothingLeft(pair: Pair, atStart: AtStart): Promise<void> {
  const { gateway, responder, admin, temporary } = pair;
  const response = await httpRequest(gateway.port, { target: "/echo", method: "POST", body: "b" });
  assert.equal(response.status, 200);
  await waitUntil(async () => {
    const [app] = await admin.upstreams();
    return app!.requests_open === 0 && app!.queue_length === 0 &&
      (await admin.connections()).every(({ streams, paused }) => streams === 0 && !paused);
  }, "no request left in /status");
  assert.equal(await admin.metric("afcgi_upstream_streams"), 0);
  assert.equal(await admin.metric("afcgi_upstream_queue_length"), 0);
  assert.equal(await admin.metric("afcgi_spill_bytes"), 0);
  await waitForDescriptors(gateway.child.pid, withConnections(atStart.gateway));
  await waitForDescriptors(responder.pid, withConnections(atStart.responder));
  assert.deepEqual(readdirSync(temporary), []);
}

function withConnections(atStart: Descriptors): Descriptors {
  return { ...atStart, sockets: atStart.sockets + CONNECTIONS_MAX };
}

/** Does something so many times, so many at once. */
export async function repeat(
  count: number,
  atOnce: number,
  action: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (next < count) await action(next++);
  }));
}
