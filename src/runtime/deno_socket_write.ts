/**
 * Writes to a socket that never wait, by `send` with `MSG_DONTWAIT` of the C library. Deno has no other
 * way for a descriptor that it inherited: its asynchronous writes to one take the program's own thread
 * (seen with 2.9.6), so a socket that nobody reads would stop everything.
 */
import type { WriteSync } from "./descriptor_sink.ts";
import { openDenoCalls } from "./deno_libc.ts";

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

const EAGAIN = 11;
/** All of these say that nobody reads any more. */
const READER_GONE: readonly number[] = [32, 104, 107];

/** Undefined where there is no C library of Linux, or no leave to call it. */
export function openSocketWrite(): WriteSync | undefined {
  if (Deno.build.os !== "linux") return undefined;
  let calls;
  try {
    calls = openDenoCalls({
      send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
      __errno_location: { parameters: [], result: "pointer" },
    });
  } catch {
    return undefined;
  }
  const { send, __errno_location: errorLocation } = calls;
  return (descriptor, bytes) => {
    const own = bytes as Uint8Array<ArrayBuffer>;
    const sent = Number(send(descriptor, own, BigInt(bytes.length), MSG_DONTWAIT | MSG_NOSIGNAL));
    if (sent >= 0) return sent;
    const number = errorNumber(errorLocation());
    throw Object.assign(new Error(`send failed with error ${number}`), { code: codeOf(number) });
  };
}

function errorNumber(pointer: Deno.PointerValue): number {
  return pointer === null ? 0 : new Deno.UnsafePointerView(pointer).getInt32();
}

function codeOf(number: number): string {
  if (number === EAGAIN) return "EAGAIN";
  return READER_GONE.includes(number) ? "EPIPE" : `E${number}`;
}
