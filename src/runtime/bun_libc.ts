/** The C library by way of `bun:ffi`, which is imported only where it is needed: on Bun. */
import type { FFIFunction, Library } from "bun:ffi";
import { type LibC, LIBC_NAMES } from "./libc.ts";
import type { DescriptorCalls } from "./pausable_listener.ts";
import { SpawnError } from "./spawner.ts";

/** Linux: another descriptor of the same, which no process that we start inherits. */
const F_DUPFD_CLOEXEC = 1030;

/** Beside the calls for descriptors, those for a socket of our own. */
export type BunDescriptorCalls = DescriptorCalls & Pick<LibC, "socket" | "bind" | "listen">;

/** These calls of the C library; undefined where there is none of Linux. */
export async function openBunCalls<const Calls extends Record<string, FFIFunction>>(
  calls: Calls,
): Promise<Library<Calls>["symbols"] | undefined> {
  if (process.platform !== "linux") return undefined;
  const { dlopen } = await import("bun:ffi");
  for (const name of LIBC_NAMES) {
    try {
      return dlopen(name, calls).symbols;
    } catch {
      // Under another name, or not at all.
    }
  }
  return undefined;
}

/** Undefined where there is no C library of Linux. */
export async function openBunDescriptors(): Promise<BunDescriptorCalls | undefined> {
  const libc = await openLibC();
  return libc && { ...libc, dup: (descriptor) => libc.fcntl(descriptor, F_DUPFD_CLOEXEC, 0) };
}

/** @throws {SpawnError} where there is no C library of Linux */
export async function openBunLibC(): Promise<LibC> {
  const libc = await openLibC();
  if (libc !== undefined) return libc;
  throw new SpawnError("Cannot start applications here: there is no C library of Linux");
}

let opened: Promise<LibC | undefined> | undefined;

function openLibC(): Promise<LibC | undefined> {
  return opened ??= open();
}

async function open(): Promise<LibC | undefined> {
  const calls = await openBunCalls({
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
  if (calls === undefined) return undefined;
  const { ptr } = await import("bun:ffi");
  return {
    ...calls,
    bind: (descriptor, address, length) => calls.bind(descriptor, ptr(address), length),
    waitpid: (pid, options) => calls.waitpid(pid, null, options),
    pipe2: (descriptors, flags) => calls.pipe2(ptr(descriptors), flags),
    setgroups: (count, groups) => calls.setgroups(count, ptr(groups)),
    connect: (descriptor, address, length) => calls.connect(descriptor, ptr(address), length),
    clock_gettime: (clock, time) => calls.clock_gettime(clock, ptr(time)),
    write: (descriptor, bytes, length) => Number(calls.write(descriptor, ptr(bytes), length)),
  };
}
