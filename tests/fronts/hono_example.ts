/**
 * The Hono application of `examples/` in a process of its own, started as its header section says,
 * on the runtime that runs the tests.
 */
import { chmodSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Child } from "../support/child.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FLAGS = "Deno" in globalThis ? ["run", "-A", "--no-check", "--quiet"] : [];

/** Starts it at the unix socket; resolves when it takes connections. */
export async function startHonoExample(socket: string): Promise<Child> {
  const example = new Child(process.execPath, [...FLAGS, "examples/hono_app.ts"], {
    cwd: ROOT,
    env: { LISTEN: `unix:${socket}` },
  });
  await example.stdout.waitFor((line) => line.startsWith("Listening"));
  chmodSync(socket, 0o666); // nginx that was started by root serves as somebody else.
  return example;
}
