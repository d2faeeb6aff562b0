/**
 * What the gateway holds, counted before and after thousands of requests, and after clients that
 * vanished at every phase: descriptors by kind, temporary files, and its own account of itself.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { runCount, timeLimitMs } from "../support/long_runs.ts";
import { HttpConnection, httpRequest } from "../support/raw_http.ts";
import { leaveAt, PHASES } from "./leaving_clients.ts";
import { checkNothingLeft, look, repeat, withPair } from "./pair.ts";

const REQUESTS = runCount(5_000, 200_000);
const LEAVING = runCount(1_000, 20_000);
const AT_ONCE = 50;
const OPTIONS = { timeout: timeLimitMs(20 * 60_000) };

for (const multiplex of ["on", "off"] as const) {
  test(
    `The gateway holds nothing more after ${REQUESTS} requests, multiplex ${multiplex}`,
    OPTIONS,
    async () => {
      await withPair(multiplex, async (pair) => {
        const atStart = look(pair);
        const { port } = pair.gateway;
        await repeat(REQUESTS, AT_ONCE, async (index) => {
          // Every fiftieth does not fit into memory, on the way there and back.
          const body = Buffer.alloc(index % 50 === 0 ? 200_000 : 10, index);
          const response = await httpRequest(port, { method: "POST", target: "/echo", body });
          assert.equal(response.status, 200, response.body.toString());
        });
        await checkNothingLeft(pair, atStart);
      });
    },
  );

  test(
    `The gateway holds nothing more after ${LEAVING} clients that vanish halfway, multiplex ${multiplex}`,
    OPTIONS,
    async () => {
      await withPair(multiplex, async (pair) => {
        const atStart = look(pair);
        await repeat(LEAVING, AT_ONCE, async (index) => {
          await leaveAt(pair.gateway.port, PHASES[index % PHASES.length]!);
        });
        await checkNothingLeft(pair, atStart);
      });
    },
  );

  test(
    `SIGTERM with requests at every phase ends the gateway and leaves no file, multiplex ${multiplex}`,
    OPTIONS,
    async () => {
      await withPair(multiplex, async ({ gateway, temporary }) => {
        const clients = await Promise.all(
          [...PHASES, ...PHASES].map(async (phase) => {
            const client = await HttpConnection.open(gateway.port);
            await phase(client);
            return client;
          }),
        );
        // It must end by itself with status 0, within its grace.
        await gateway.stop();
        assert.deepEqual(readdirSync(temporary), []);
        for (const client of clients) client.destroy();
      }, { connections: { max: PHASES.length * 2 } });
    },
  );
}
