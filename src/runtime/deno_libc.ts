/** The C library by way of `Deno.dlopen`. */
import { type LibC, LIBC_NAMES } from "./libc.ts";
import { SpawnError } from "./spawner.ts";

/** @throws {SpawnError} where none of the names is a library */
export async function openDenoLibC(): Promise<LibC> {
  let cause: unknown;
  for (const name of LIBC_NAMES) {
    try {
      const { symbols } = Deno.dlopen(name, {
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
        ...symbols,
        waitpid: (pid, options) => symbols.waitpid(pid, null, options),
        setgroups: (count, groups) => symbols.setgroups(BigInt(count), groups),
        prctl: (option, ...more) => {
          const [second, third, fourth, fifth] = more.map(BigInt) as [
            bigint,
            bigint,
            bigint,
            bigint,
          ];
          return symbols.prctl(option, second, third, fourth, fifth);
        },
        write: (descriptor, bytes, length) =>
          Number(symbols.write(descriptor, bytes, BigInt(length))),
      };
    } catch (error) {
      cause ??= error;
    }
  }
  throw new SpawnError("Cannot start applications here: there is no C library of Linux", { cause });
}
