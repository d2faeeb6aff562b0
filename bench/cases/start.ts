/** From the start of the process to the end of its first response, and its memory at rest. */
import { cResponder } from "../applications/application.ts";
import { launch } from "../contenders/contender.ts";
import { memoryMiB } from "../measure/processes.ts";
import { AFCGI, type BenchCase } from "./case.ts";
import { variantsOf } from "./proxy_rows.ts";

const FIRST_RESPONSE_MS = 100;
const RESTING_MIB = 60;

/** How long it is left alone before its memory is looked at. */
const REST_MS = 1000;

const LIMIT_MS = 20_000;

/** How soon the next attempt is made. */
const STEP_MS = 1;

async function untilServed(port: number): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!await isServed(port)) {
    if (performance.now() > deadline) throw new Error(`Cannot see a response in ${LIMIT_MS} ms`);
    await pause(STEP_MS);
  }
}

function isServed(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/`, { keepalive: false }).then(
    async (response) => (await response.text()).length > 0 && response.status === 200,
    () => false,
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export const start: BenchCase = {
  name: "start",
  peers: ["cc"],
  tables: () => [{
    title: "from the start of the process to its first response, and at rest 1 s later",
    prepare: async (bench) => {
      const { scope } = bench;
      const application = await cResponder()(scope);
      const rows = variantsOf(bench).map(({ contender }) => ({
        name: contender.title,
        async measure() {
          const started = performance.now();
          const { child, port } = await launch(scope, contender, { application, kept: 64 });
          await untilServed(port);
          const firstResponseMs = performance.now() - started;
          await pause(REST_MS);
          const resting = memoryMiB(child.pid);
          await scope.stopOne(child);
          return { firstResponseMs, memoryMiB: resting };
        },
      }));
      return {
        rows,
        columns: ["firstResponseMs", "memoryMiB"],
        bounds: [
          { row: AFCGI, column: "firstResponseMs", most: FIRST_RESPONSE_MS },
          { row: AFCGI, column: "memoryMiB", most: RESTING_MIB },
        ],
      };
    },
  }],
};
