/** Descriptors by way of `bun:ffi`, which is imported only where it is needed: on Bun, on Linux. */
import { type LibC, LIBC_NAMES } from "./libc.ts";
import type { DescriptorCalls } from "./pausable_listener.ts";

/** Beside the calls for descriptors, those for a socket of our own. */
export type BunDescriptorCalls = DescriptorCalls & Pick<LibC, "socket" | "bind" | "listen">;

/** Linux: another descriptor of the same, which no process that we start inherits. */
const F_DUPFD_CLOEXEC = 1030;

/** Undefined where there is no C library of Linux. */
export async function openBunDescriptors(): Promise<BunDescriptorCalls | undefined> {
  if (process.platform !== "linux") return undefined;
  const { dlopen, ptr } = await import("bun:ffi");
  for (const name of LIBC_NAMES) {
    try {
      const { symbols } = dlopen(name, {
        fcntl: { args: ["int", "int", "int"], returns: "int" },
        close: { args: ["int"], returns: "int" },
        socket: { args: ["int", "int", "int"], returns: "int" },
        bind: { args: ["int", "ptr", "u32"], returns: "int" },
        listen: { args: ["int", "int"], returns: "int" },
      });
      return {
        dup: (descriptor) => symbols.fcntl(descriptor, F_DUPFD_CLOEXEC, 0),
        close: symbols.close,
        socket: symbols.socket,
        bind: (descriptor, address, length) => symbols.bind(descriptor, ptr(address), length),
        listen: symbols.listen,
      };
    } catch {
      // Under another name, or not at all.
    }
  }
  return undefined;
}
