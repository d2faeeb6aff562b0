/** Load from wrk: one thread, connections that are kept, as fast as the responses come. */
import type { LoadReport } from "../measure/figures.ts";
import { benchFile, type Scope } from "../scope.ts";
import { readReport } from "./report.ts";

/** After this a request counts as failed. */
const TIMEOUT_SECONDS = 20;

export interface WrkOptions {
  readonly port: number;
  readonly path: string;
  readonly clients: number;
  readonly seconds: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds that each client waits at most before each request; left out: it does not. */
  readonly pauseMs?: number | undefined;
  /** Not all of them are GET: other methods, and bodies of 1 kB, come in between. */
  readonly isMixed?: boolean | undefined;
  /** Over TLS. */
  readonly isTls?: boolean;
}

export async function runWrk(scope: Scope, options: WrkOptions): Promise<LoadReport> {
  const headers = Object.entries(options.headers ?? {}).flatMap(([name, value]) => [
    "-H",
    `${name}: ${value}`,
  ]);
  const wrk = await scope.run("wrk", [
    "-t1",
    `-c${options.clients}`,
    `-d${options.seconds}s`,
    `--timeout=${TIMEOUT_SECONDS}s`,
    ...headers,
    "-s",
    benchFile("load/report.lua"),
    `${options.isTls ? "https" : "http"}://127.0.0.1:${options.port}${options.path}`,
    "--",
    ...(options.pauseMs === undefined ? [] : ["--pause", String(options.pauseMs)]),
    ...(options.isMixed ? ["--mixed"] : []),
  ]);
  return readReport("wrk", wrk);
}
