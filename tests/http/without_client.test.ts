/**
 * What becomes of an application's response whose client leaves: whenever that is, and whether or not
 * the route lets the application go on. More is to come than all buffers hold, so who does not read on
 * leaves the application standing.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { FastCgiHandler } from "../../src/responder/options.ts";
import { withConfig } from "../support/configured.ts";
import { until } from "../support/idle.ts";
import { temporaryDirectory } from "../support/places.ts";
import { HttpConnection } from "../support/raw_http.ts";

const PIECE_LENGTH = 64 * 1024;
const PIECES = 128;

/** How far the client's response has come when it leaves. */
const MOMENTS = ["before its headers", "behind its first bytes", "in its middle"] as const;
type Moment = (typeof MOMENTS)[number];

/** A response that stands still at `moment` until it is told to go on. */
class LongResponse {
  sent = 0;
  isWhole = false;
  isStopped = false;
  readonly reached = Promise.withResolvers<void>();
  readonly goOn = Promise.withResolvers<void>();
  readonly #moment: Moment;

  constructor(moment: Moment) {
    this.#moment = moment;
  }

  readonly handler: FastCgiHandler = async (request) => {
    const headers = { "Content-Type": "text/plain" };
    if (request.url.endsWith("/next.txt")) return new Response("next", { headers });
    request.signal.addEventListener("abort", () => this.isStopped = true);
    if (this.#moment === "before its headers") await this.#stand();
    return new Response(
      new ReadableStream({
        pull: async (controller) => {
          const standsAt = this.#moment === "in its middle" ? PIECES / 2 : 1;
          if (this.sent === standsAt && this.#moment !== "before its headers") await this.#stand();
          if (this.isStopped) return;
          if (this.sent < PIECES) {
            this.sent++;
            return controller.enqueue(new Uint8Array(PIECE_LENGTH));
          }
          controller.close();
          this.isWhole = true;
        },
        cancel: () => {
          this.isStopped = true;
        },
      }, { highWaterMark: 0 }),
      { headers },
    );
  };

  async #stand(): Promise<void> {
    this.reached.resolve();
    await this.goOn.promise;
  }
}

const config = (root: string, multiplex: string, ignores: boolean): string => `
upstreams:
  app:
    servers: ["\${env.APP}"]
    multiplex: "${multiplex}"
limits: { response_buffer: 64KiB, spill: 0 }
sites:
  - root: ${JSON.stringify(root)}
    routes:
      - fastcgi: { upstream: app, ignore_client_abort: ${ignores}, store: true }
`;

for (const ignores of [false, true]) {
  const becomes = ignores ? "goes on to its end, and is kept" : "is stopped, and is not kept";
  test(`A response whose client leaves ${becomes}, at every moment`, async () => {
    for (const multiplex of ["on", "off"]) {
      for (const moment of MOMENTS) await leaveAt(moment, multiplex, ignores);
    }
  });
}

async function leaveAt(moment: Moment, multiplex: string, ignores: boolean): Promise<void> {
  const what = `${moment}, multiplex ${multiplex}`;
  const root = temporaryDirectory();
  const long = new LongResponse(moment);
  const text = config(root, multiplex, ignores);
  await withConfig({ text, application: long.handler }, async (gateway) => {
    const client = await HttpConnection.open(gateway.port);
    await client.send({ target: "/long.txt" });
    if (moment !== "before its headers") {
      const headers = await client.readHeaders();
      const { pieces } = client.readBody(headers);
      let length = moment === "in its middle" ? PIECES / 2 * PIECE_LENGTH : 1;
      while (length > 0) length -= (await pieces.next()).value!.length;
    }
    await long.reached.promise;
    client.destroy();
    const isKept = () => existsSync(join(root, "long.txt"));
    if (!ignores) {
      await until(() => long.isStopped, `the end of one that is left ${what}`);
      long.goOn.resolve();
    } else {
      long.goOn.resolve();
      await until(isKept, `the copy of one that is left ${what}`);
      assert.deepEqual([long.isWhole, long.isStopped, long.sent], [true, false, PIECES], what);
      assert.equal(statSync(join(root, "long.txt")).size, PIECES * PIECE_LENGTH, what);
    }
    const line = await gateway.access.ofPath("/long.txt");
    assert.equal(line["code"], ignores ? undefined : "client_gone", what);
    // What is left of it is nobody's.
    assert.equal((await gateway.send("/next.txt")).body.toString(), "next", what);
    await until(() => existsSync(join(root, "next.txt")), "the next copy");
    assert.deepEqual(readdirSync(root).sort(), ignores ? ["long.txt", "next.txt"] : ["next.txt"]);
  });
}
