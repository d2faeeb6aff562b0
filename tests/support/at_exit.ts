/**
 * What has to be tidied up whichever way a test process ends. `deno test` ends each file with the
 * event "unload" and never with that of `process`; everybody else does the opposite.
 */

/** Both may come: the action must bear to run twice, and cannot wait for anything. */
export function atExit(action: () => void): void {
  process.on("exit", action);
  globalThis.addEventListener("unload", action);
}
