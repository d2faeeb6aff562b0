/**
 * Modules of the runtime that are loaded when they are first used. Each of them takes memory in every
 * thread, up to a MiB, and most threads need few of them.
 */
import { getBuiltinModule } from "node:process";

export function childProcessModule(): typeof import("node:child_process") {
  return getBuiltinModule("node:child_process");
}

export function cryptoModule(): typeof import("node:crypto") {
  return getBuiltinModule("node:crypto");
}

export function dnsModule(): typeof import("node:dns") {
  return getBuiltinModule("node:dns");
}

export function netModule(): typeof import("node:net") {
  return getBuiltinModule("node:net");
}

export function tlsModule(): typeof import("node:tls") {
  return getBuiltinModule("node:tls");
}

export function ttyModule(): typeof import("node:tty") {
  return getBuiltinModule("node:tty");
}

export function zlibModule(): typeof import("node:zlib") {
  return getBuiltinModule("node:zlib");
}
