/**
 * Where a test puts things: directories of its own, free ports, and waiting until something is
 * there.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atExit } from "./at_exit.ts";

const WAIT_LIMIT_MS = 20_000;
const WAIT_STEP_MS = 5;

/** Where a program listens, in the two ways that FastCGI knows. */
export type Place =
  | { readonly network: "tcp"; readonly host: string; readonly port: number }
  | { readonly network: "unix"; readonly path: string };

/** A new directory that other users may read, removed when the process ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "afcgi-test-"));
  chmodSync(directory, 0o755);
  atExit(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/**
 * Ports that no system gives to whoever asks for any port, or connects: so nobody gets one by chance
 * between our look and the program that it is for, another test process beside this one included.
 */
const PORTS_FROM = 10_000;
const PORTS_UNTIL = 30_000;

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS_FROM + Math.floor(Math.random() * (PORTS_UNTIL - PORTS_FROM));
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(false);
      else reject(error);
    });
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** A place that nobody listens on yet. */
export async function freePlace(network: Place["network"], directory: string): Promise<Place> {
  if (network === "tcp") return { network, host: "127.0.0.1", port: await freePort() };
  return { network, path: join(directory, `${crypto.randomUUID().slice(0, 8)}.sock`) };
}

/** As afcgi writes it: `tcp://127.0.0.1:9000`, `unix:/run/app.sock`. */
export function placeUrl(place: Place): string {
  return place.network === "tcp" ? `tcp://${place.host}:${place.port}` : `unix:${place.path}`;
}

/** What an error or a log line must hold to have named the place. */
export function placeName(place: Place): string {
  return place.network === "tcp" ? `${place.host}:${place.port}` : place.path;
}

/** Resolves when something accepts connections there. */
export async function waitForListener(place: Place): Promise<void> {
  await waitUntil(() => canConnect(place), `a listener on ${placeName(place)}`);
}

function canConnect(place: Place): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = place.network === "tcp" ? connect(place.port, place.host) : connect(place.path);
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** Asks repeatedly until the response is yes; for what gives no event of its own. */
export async function waitUntil(
  isTrue: () => boolean | Promise<boolean>,
  what: string,
): Promise<void> {
  const deadline = performance.now() + WAIT_LIMIT_MS;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`Cannot see ${what} in ${WAIT_LIMIT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, WAIT_STEP_MS));
  }
}
