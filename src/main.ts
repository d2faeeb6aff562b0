/**
 * Entry of the executable: the only place that reads the arguments and exits. Everything else is a
 * function of what it is handed. What holds signals comes first.
 */
import "./runtime/early_signals.ts";
import { runProgram } from "./cli/program.ts";
import { currentRuntime } from "./runtime/current.ts";

const runtime = currentRuntime();
const { process } = runtime;
const status = await runProgram({ runtime }, process.args);
await Promise.all([process.stdout.flush(), process.stderr.flush()]);
process.exit(status);
