/** One client that reads slowly beside fast ones: does it hold them up? */
import { cResponder } from "../applications/application.ts";
import { besideCase } from "./beside.ts";
import { AFCGI } from "./case.ts";

const SLOW_LENGTH = 64 * 1024 * 1024;
const SLOW_BYTES_PER_SECOND = 10_000;

/** Longer than any round: whoever started the slow one stops it. */
const SLOW_LIMIT_SECONDS = 600;

export const slowReader = besideCase({
  name: "slow-reader",
  about: "one that reads 10 kB a second of 64 MiB",
  beside: "slow one",
  peers: ["cc"],
  application: cResponder({ byQuery: true }),
  client: {
    path: `/?bytes=${SLOW_LENGTH}`,
    requests: 1,
    rate: SLOW_BYTES_PER_SECOND,
    limit: SLOW_LIMIT_SECONDS,
  },
  /** Against the same proxy without the slow one. */
  bounds: (withIt) => [
    { row: withIt(AFCGI), column: "requestsPerSecond", least: 0.9, of: { row: AFCGI } },
    { row: withIt(AFCGI), column: "p99Ms", most: 1.25, of: { row: AFCGI } },
  ],
});
