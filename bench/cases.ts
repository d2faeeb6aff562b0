/** What is measured. Each case starts its contenders, and stops all that it started. */
import { join } from "node:path";
import { AFCGI } from "../tests/support/afcgi.ts";
import { Child } from "../tests/support/child.ts";
import { freePort, placeUrl, temporaryFolder, waitUntil } from "../tests/support/places.ts";
import { HttpConnection } from "../tests/support/raw_http.ts";
import {
  type Contender,
  FPM_CHILDREN,
  startAfcgi,
  startNginx,
  startPhp,
  startResponder,
} from "./contenders.ts";
import { memoryMiB } from "./measure.ts";

export interface LoadCase {
  readonly name: string;
  readonly title: string;
  readonly clients: number;
  /** The first is what the others are compared with. */
  start(): Promise<{ contenders: readonly Contender[]; stop(): Promise<void> }>;
}

const CLIENTS = 64;

const small: LoadCase = {
  name: "small",
  title: `answers of 12 bytes from a multiplexing application, ${CLIENTS} clients`,
  clients: CLIENTS,
  async start() {
    const folder = temporaryFolder();
    const { child, place } = await startResponder(folder);
    const contenders = [
      await startNginx({ name: "nginx, kept connections", folder, place, keepalive: CLIENTS }),
      await startAfcgi({
        name: "afcgi",
        config: {
          upstreams: { app: { servers: [placeUrl(place)] } },
          sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
        },
      }),
    ];
    return { contenders, stop: () => stopAll([...contenders, child]) };
  },
};

const fpm: LoadCase = {
  name: "fpm",
  title: `a short script on php-fpm, ${FPM_CHILDREN} children, ${CLIENTS} clients`,
  clients: CLIENTS,
  async start() {
    const folder = temporaryFolder();
    const root = join(folder, "root");
    const script = join(root, "index.php");
    const pools = [await startPhp(folder), await startPhp(folder), await startPhp(folder)] as const;
    const contenders = [
      await startNginx({
        name: "nginx, no kept connections",
        folder,
        place: pools[0].place,
        keepalive: 0,
        script,
      }),
      await startNginx({
        name: "nginx, kept connections",
        folder,
        place: pools[1].place,
        keepalive: FPM_CHILDREN,
        script,
      }),
      await startAfcgi({
        name: "afcgi",
        config: {
          upstreams: {
            php: {
              servers: [placeUrl(pools[2].place)],
              connections: { max: FPM_CHILDREN },
            },
          },
          sites: [{
            root,
            routes: [{ static: {} }, { php: { upstream: "php", front_controller: "/index.php" } }],
          }],
        },
      }),
    ];
    return {
      contenders,
      stop: () => stopAll([...contenders, ...pools.map((pool) => pool.child)]),
    };
  },
};

async function stopAll(started: readonly { stop(): Promise<unknown> }[]): Promise<void> {
  for (const one of started) await one.stop();
}

export const LOAD_CASES: readonly LoadCase[] = [small, fpm];

/** Milliseconds from the start of the process to the end of its first answer, and memory then. */
export interface StartRound {
  readonly firstAnswerMs: number;
  readonly restingMiB: number;
}

/** How long an afcgi is left alone before its memory is looked at. */
const REST_MS = 1000;

export async function runStartRound(): Promise<StartRound> {
  const folder = temporaryFolder();
  const { child: responder, place } = await startResponder(folder);
  const port = await freePort();
  const upstream = ["--upstream", placeUrl(place), "--preset", "app"];
  const started = performance.now();
  const afcgi = new Child(AFCGI, [
    "serve",
    ...upstream,
    "--listen",
    `127.0.0.1:${port}`,
    "--access-log",
    "off",
  ], { cwd: folder });
  await waitUntil(() => answers(port), "a first answer");
  const firstAnswerMs = performance.now() - started;
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
  const restingMiB = memoryMiB(afcgi.pid);
  await afcgi.stop();
  await responder.stop();
  return { firstAnswerMs, restingMiB };
}

async function answers(port: number): Promise<boolean> {
  const connection = await HttpConnection.open(port).catch(() => undefined);
  if (connection === undefined) return false;
  try {
    await connection.send({ target: "/" });
    return (await connection.readAnswer()).status === 200;
  } finally {
    connection.destroy();
  }
}
