/** Load from our own client (`client.c`), for what wrk cannot do. */
import type { Child } from "../../tests/support/child.ts";
import { compile } from "../applications/compile.ts";
import type { LoadReport } from "../measure/figures.ts";
import type { Scope } from "../scope.ts";
import { readReport } from "./report.ts";

/** Each one is a flag of the client; what is left out has its default there. */
export interface ClientOptions {
  readonly port: number;
  readonly path?: string;
  readonly clients?: number;
  /** How many in all; or else for how many seconds new ones begin. */
  readonly requests?: number;
  readonly seconds?: number;
  /** Bytes to send with each request. */
  readonly body?: number;
  /** Bytes of a right response. */
  readonly expect?: number;
  /** Bytes per second at which each client reads. */
  readonly rate?: number;
  /** Connections opened per millisecond at the start. */
  readonly openPerMs?: number;
  /** Seconds after which what is not answered has failed. */
  readonly limit?: number;
}

export async function runClient(scope: Scope, options: ClientOptions): Promise<LoadReport> {
  return readReport("client", await scope.run(await program(), flags(options)));
}

/** One that the caller stops. */
export async function startClient(scope: Scope, options: ClientOptions): Promise<Child> {
  return scope.start(await program(), flags(options));
}

function program(): Promise<string> {
  return compile("load/client.c");
}

function flags(options: ClientOptions): string[] {
  return Object.entries(options).flatMap(([name, value]) => [
    `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    String(value),
  ]);
}
