/** The C library by way of `bun:ffi`, which is imported only where it is needed: on Bun. */
import { type LibC, LIBC_NAMES } from "./libc.ts";
import { SpawnError } from "./spawner.ts";

/** @throws {SpawnError} where none of the names is a library */
export async function openBunLibC(): Promise<LibC> {
  const { dlopen, ptr } = await import("bun:ffi");
  let cause: unknown;
  for (const name of LIBC_NAMES) {
    try {
      const { symbols } = dlopen(name, {
        socket: { args: ["int", "int", "int"], returns: "int" },
        bind: { args: ["int", "ptr", "u32"], returns: "int" },
        listen: { args: ["int", "int"], returns: "int" },
        close: { args: ["int"], returns: "int" },
        waitpid: { args: ["int", "ptr", "int"], returns: "int" },
        pipe2: { args: ["ptr", "int"], returns: "int" },
        fcntl: { args: ["int", "int", "int"], returns: "int" },
        setgroups: { args: ["usize", "ptr"], returns: "int" },
        setresgid: { args: ["u32", "u32", "u32"], returns: "int" },
        setresuid: { args: ["u32", "u32", "u32"], returns: "int" },
        prctl: { args: ["int", "usize", "usize", "usize", "usize"], returns: "int" },
        write: { args: ["int", "ptr", "usize"], returns: "i64" },
        connect: { args: ["int", "ptr", "u32"], returns: "int" },
        clock_gettime: { args: ["int", "ptr"], returns: "int" },
      });
      return {
        socket: symbols.socket,
        bind: (descriptor, address, length) => symbols.bind(descriptor, ptr(address), length),
        listen: symbols.listen,
        close: symbols.close,
        waitpid: (pid, options) => symbols.waitpid(pid, null, options),
        pipe2: (descriptors, flags) => symbols.pipe2(ptr(descriptors), flags),
        fcntl: symbols.fcntl,
        setgroups: (count, groups) => symbols.setgroups(count, ptr(groups)),
        setresgid: symbols.setresgid,
        setresuid: symbols.setresuid,
        prctl: symbols.prctl,
        connect: (descriptor, address, length) => symbols.connect(descriptor, ptr(address), length),
        clock_gettime: (clock, time) => symbols.clock_gettime(clock, ptr(time)),
        write: (descriptor, bytes, length) => Number(symbols.write(descriptor, ptr(bytes), length)),
      };
    } catch (error) {
      cause ??= error;
    }
  }
  throw new SpawnError("Cannot start applications here: there is no C library of Linux", { cause });
}
