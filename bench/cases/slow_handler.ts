/**
 * One request whose handler reads its body late, beside others: does it hold them up? Go hands a body
 * to its handler through a pipe that holds nothing, and reads no further records before it is taken.
 */
import { goApplication } from "../applications/application.ts";
import { besideCase } from "./beside.ts";
import { AFCGI } from "./case.ts";

const LATE_MS = 500;
const BODY_LENGTH = 3 * 1024 * 1024;

/** Longer than any round: whoever started it stops it. */
const LATE_SECONDS = 600;

export const slowHandler = besideCase({
  name: "slow-handler",
  about: "one whose 3 MiB are read half a second late",
  beside: "late handler",
  peers: ["go", "cc"],
  application: goApplication,
  client: {
    path: `/late?ms=${LATE_MS}`,
    clients: 1,
    seconds: LATE_SECONDS,
    body: BODY_LENGTH,
    limit: LATE_SECONDS,
  },
  bounds: (withIt) => [
    { row: withIt(AFCGI), column: "p99Ms", most: 1.25, of: { row: AFCGI } },
  ],
});
