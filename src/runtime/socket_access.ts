/**
 * Who may connect to the unix socket that a server of the library listens on, as a gateway's listeners
 * have it: its owner alone, or its group too, whatever the umask says. An address that tells more
 * itself is left as it is. It does not touch the file.
 */
import type { ListenAddress } from "./address.ts";

const OWNER_MODE = 0o600;
/** With a group and no mode: what the group is named for. */
const GROUP_MODE = 0o660;
const MODE_MAX = 0o777;

/** See `ServeFastCgiOptions`. */
export interface SocketAccess {
  readonly mode?: number | string;
  readonly group?: string;
}

/** What a server speaks, for the text of errors. */
export type ServedName = "FastCGI" | "HTTP";

/** @throws {RangeError} when there is no such mode, or no file to have one */
export function withSocketAccess(
  address: ListenAddress,
  { mode, group }: SocketAccess,
  served: ServedName = "FastCGI",
): ListenAddress {
  const key = mode !== undefined ? "mode" : group !== undefined ? "group" : undefined;
  if (address.transport !== "unix" || address.path.startsWith("\0")) {
    if (key === undefined) return address;
    throw new RangeError(`Cannot serve ${served}: "${key}" is for a unix socket with a path`);
  }
  if (key === undefined && address.file !== undefined) return address;
  const byDefault = group === undefined ? OWNER_MODE : GROUP_MODE;
  return {
    ...address,
    file: { mode: mode === undefined ? byDefault : readMode(mode, served), group },
  };
}

function readMode(mode: number | string, served: ServedName): number {
  const isOctal = typeof mode === "string" && /^0?[0-7]{3}$/.test(mode);
  const bits = typeof mode === "string" ? (isOctal ? parseInt(mode, 8) : NaN) : mode;
  if (Number.isInteger(bits) && bits >= 0 && bits <= MODE_MAX) return bits;
  throw new RangeError(`Cannot serve ${served}: mode "${mode}" is none (use "0660" or 0o660)`);
}
