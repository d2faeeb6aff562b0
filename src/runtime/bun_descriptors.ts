/** Descriptors by way of `bun:ffi`, which is imported only where it is needed: on Bun, on Linux. */
import { LIBC_NAMES } from "./libc.ts";
import type { DescriptorCalls } from "./pausable_listener.ts";

/** Undefined where there is no C library of Linux. */
export async function openBunDescriptors(): Promise<DescriptorCalls | undefined> {
  if (process.platform !== "linux") return undefined;
  const { dlopen } = await import("bun:ffi");
  for (const name of LIBC_NAMES) {
    try {
      const { symbols } = dlopen(name, {
        dup: { args: ["int"], returns: "int" },
        close: { args: ["int"], returns: "int" },
      });
      return { dup: symbols.dup, close: symbols.close };
    } catch {
      // Under another name, or not at all.
    }
  }
  return undefined;
}
