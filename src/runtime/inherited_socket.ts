/**
 * What is said of a descriptor before it is taken for an inherited listening socket. Deno closes one
 * that turns out to be none, so what is not even a socket is left alone.
 */
import { fstatSync } from "node:fs";
import { formatAddress, type InheritedAddress } from "./address.ts";
import { ListenError } from "./network.ts";

/** @throws {ListenError} when the descriptor is closed, or stands for something else */
export function requireSocket(address: InheritedAddress): void {
  const name = formatAddress(address);
  let isSocket: boolean;
  try {
    isSocket = fstatSync(address.descriptor).isSocket();
  } catch (cause) {
    throw new ListenError(`Cannot listen on ${name}: there is no such descriptor`, { cause });
  }
  if (!isSocket) throw new ListenError(`Cannot listen on ${name}: it is not a socket`);
}
