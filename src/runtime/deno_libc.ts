/** The C library by way of `Deno.dlopen`. */
import { type LibC, LIBC_NAMES } from "./libc.ts";
import { SpawnError } from "./spawner.ts";

/** These calls of the C library. @throws where none of its names is a library, or by permission */
export function openDenoCalls<const Calls extends Deno.ForeignLibraryInterface>(
  calls: Calls,
): Deno.DynamicLibrary<Calls>["symbols"] {
  let cause: unknown;
  for (const name of LIBC_NAMES) {
    try {
      return Deno.dlopen(name, calls).symbols;
    } catch (error) {
      cause ??= error;
    }
  }
  throw cause;
}

/** @throws {SpawnError} where there is no C library of Linux */
export async function openDenoLibC(): Promise<LibC> {
  try {
    return libC();
  } catch (cause) {
    const message = "Cannot start applications here: there is no C library of Linux";
    throw new SpawnError(message, { cause });
  }
}

function libC(): LibC {
  const calls = openDenoCalls({
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    listen: { parameters: ["i32", "i32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
    waitpid: { parameters: ["i32", "pointer", "i32"], result: "i32" },
    pipe2: { parameters: ["buffer", "i32"], result: "i32" },
    fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
    setgroups: { parameters: ["usize", "buffer"], result: "i32" },
    setresgid: { parameters: ["u32", "u32", "u32"], result: "i32" },
    setresuid: { parameters: ["u32", "u32", "u32"], result: "i32" },
    prctl: { parameters: ["i32", "usize", "usize", "usize", "usize"], result: "i32" },
    write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
    connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  });
  return {
    ...calls,
    waitpid: (pid, options) => calls.waitpid(pid, null, options),
    setgroups: (count, groups) => calls.setgroups(BigInt(count), groups),
    prctl: (option, second, third, fourth, fifth) =>
      calls.prctl(option, BigInt(second), BigInt(third), BigInt(fourth), BigInt(fifth)),
    write: (descriptor, bytes, length) => Number(calls.write(descriptor, bytes, BigInt(length))),
  };
}
