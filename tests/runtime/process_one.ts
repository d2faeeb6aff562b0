/** Process 1 of a test: its program leaves a child behind; it ends once nothing of that is left. */
import { existsSync } from "node:fs";
import process from "node:process";
import { decode, runtime } from "./support.ts";

const { spawner } = runtime;
const told = Promise.withResolvers<string>();
let output = "";

await spawner.reapOrphans();
const child = await spawner.start({
  command: ["sh", "-c", "(sleep 60 & echo $!)"],
  cwd: "/",
  env: { PATH: runtime.process.env("PATH") ?? "" },
  user: undefined,
  input: undefined,
  onOutput: (_, bytes) => {
    output += decode(bytes);
    if (output.endsWith("\n")) told.resolve(output.trim());
  },
});
const orphan = Number(await told.promise);
await child.ended;
process.kill(orphan, "SIGKILL");
// One that has ended and that nobody waits for stays there.
while (existsSync(`/proc/${orphan}`)) await new Promise((resolve) => setTimeout(resolve, 5));
console.log("reaped");
