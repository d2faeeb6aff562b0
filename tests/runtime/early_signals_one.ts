/** A server to be, which gets signals before it is one. Each that is told later is printed. */
import "../../src/runtime/early_signals.ts";
import process from "node:process";
import { currentRuntime } from "../../src/runtime/current.ts";
import type { Signal } from "../../src/runtime/process.ts";

const SIGNALS: readonly Signal[] = ["SIGUSR1", "SIGUSR2", "SIGHUP"];
for (const signal of SIGNALS) process.kill(process.pid, signal);
await new Promise((resolve) => setTimeout(resolve, 50));
const { process: ours } = currentRuntime();
let left = SIGNALS.length;
for (const signal of SIGNALS) {
  ours.onSignal(signal, () => {
    console.log(signal);
    if (--left === 0) process.exit(0);
  });
}
setTimeout(() => process.exit(3), 10_000);
