/**
 * A real FastCGI application as the interop tests see it: how it starts, and how afcgi is told about
 * it. What the tests ask of it is in `common.ts`; each application is one file beside this one.
 */
import { fileURLToPath } from "node:url";
import { Child } from "../support/child.ts";
import { PEER_PATH, type PeerName } from "../support/peers.ts";
import { type Place, placeUrl, waitForListener } from "../support/places.ts";

export const NETWORKS = ["tcp", "unix"] as const;

/** What `afcgi probe` must find out. */
export interface Support {
  /** Replies to FCGI_GET_VALUES; undefined where there is none. */
  readonly values: Readonly<Record<string, string>> | undefined;
  readonly multiplexes: boolean;
  readonly keepsConnection: boolean;
}

export interface Application {
  /** As test names say it. */
  readonly name: string;
  readonly peer: PeerName;
  /** What has to be done once, such as compiling it; into `directory`. */
  prepare(directory: string): Promise<void>;
  /** Starts it, to listen at `place`. */
  start(directory: string, place: Place): Child;
  /** How afcgi is told about it by flags alone; undefined where flags do not suffice. */
  flags(directory: string, place: Place): readonly string[] | undefined;
  /** The same as a config file, with more from the caller on top. */
  config(directory: string, place: Place): Readonly<Record<string, unknown>>;
  readonly supports: Support;
  /** Flags of `afcgi request` beside the URL; left out where it needs none. */
  requestFlags?(directory: string): readonly string[];
}

/** A started application. */
export interface RunningApplication {
  readonly child: Child;
  readonly place: Place;
}

export async function startApplication(
  application: Pick<Application, "name" | "start">,
  directory: string,
  place: Place,
): Promise<RunningApplication> {
  const child = application.start(directory, place);
  await Promise.race([
    waitForListener(place),
    child.exited.then((exit) => {
      const output = [...child.stdout.lines, ...child.stderr.lines].join("\n");
      throw new Error(`${application.name} ended with status ${exit.code}:\n${output}`);
    }),
  ]);
  return { child, place };
}

/** Starts one of the machine's programs. */
export function startPeer(program: string, args: readonly string[]): Child {
  return new Child(program, args, { env: { PATH: PEER_PATH }, group: true });
}

/** Runs one of the machine's programs to its end; its output is the error when it fails. */
export async function runPeer(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const child = new Child(program, args, { env: { PATH: PEER_PATH, ...env } });
  const { code } = await child.exited;
  if (code === 0) return;
  const output = [...child.stdout.lines, ...child.stderr.lines].join("\n");
  throw new Error(`Cannot run "${program}": it ended with status ${code}:\n${output}`);
}

/** The preset `app` as flags and as a config. */
export const presetApp = {
  flags: (_directory: string, place: Place) => ["--upstream", placeUrl(place), "--preset", "app"],
  config: (_directory: string, place: Place) => ({
    upstreams: { app: { servers: [placeUrl(place)] } },
    sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
  }),
};

/** The absolute path of a file of the applications' sources. */
export function sourcePath(path: string): string {
  return fileURLToPath(new URL(`./apps/${path}`, import.meta.url));
}
