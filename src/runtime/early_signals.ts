/**
 * Signals that a server meets before it is one: a signal without a listener ends the process without
 * a line, and whoever rotates logs right after a start means no harm. The entry imports this first,
 * before the rest of the program is even read. Who listens later is told of what came before. Other
 * commands than those that serve are left to the system's ways.
 */
import process from "node:process";
import type { Signal } from "./process.ts";

const HELD: readonly Signal[] = ["SIGHUP", "SIGUSR1", "SIGUSR2"];
const SERVERS: ReadonlySet<string> = new Set(["serve", "responder", "demo"]);

const came = new Set<Signal>();

if (process.argv.slice(2).some((word) => SERVERS.has(word))) {
  for (const signal of HELD) process.on(signal, () => came.add(signal));
}

/** Listens from now on; a signal that came before nobody else did is told at once. */
export function listenForSignal(signal: Signal, callback: () => void): void {
  process.on(signal, callback);
  if (came.delete(signal)) queueMicrotask(callback);
}
