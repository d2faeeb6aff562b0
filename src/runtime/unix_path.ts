/**
 * What a unix socket's path needs beside the socket: a file that a dead process left behind is
 * removed before listening, a live one is left alone. And on Linux the kernel's table of unix sockets
 * tells a full queue from nobody listening, which Bun's error does not. Both sides are only looked at
 * when something is about to fail. Who may connect is for socket_file.ts.
 */
import { existsSync, lstatSync, readFileSync, unlinkSync } from "node:fs";
import { formatAddress, type UnixAddress } from "./address.ts";
import { errorCode } from "./error_code.ts";
import type { ByteConnection } from "./connection.ts";
import { ConnectError, ListenError } from "./network.ts";

/** The kernel's table; its columns are described in proc_net_unix(5). */
const SOCKET_TABLE = "/proc/net/unix";

/** The flag of a socket that accepts connections (`__SO_ACCEPTCON`). */
const FLAG_ACCEPTING = 0x10000;

/** Whether a socket has no file: abstract, in Linux's own name space. */
export function isAbstract(address: UnixAddress): boolean {
  return address.path.startsWith("\0");
}

/**
 * Removes a socket's file when nobody accepts on it.
 *
 * @throws {ListenError} when somebody does, or the file is not a socket
 */
export async function clearStaleSocket(
  address: UnixAddress,
  connect: () => Promise<ByteConnection>,
): Promise<void> {
  if (isAbstract(address)) return;
  const found = lstatSync(address.path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) fail(address, "a file that is not a socket is in the way");
  try {
    (await connect()).destroy();
  } catch (error) {
    if (error instanceof ConnectError && error.failure === "refused") {
      unlinkSync(address.path);
      return;
    }
  }
  fail(address, "the address is in use (another process accepts connections there)");
}

function fail(address: UnixAddress, text: string): never {
  throw new ListenError(`Cannot listen on ${formatAddress(address)}: ${text}`);
}

/**
 * Removes the file of a listener that was closed, where the runtime has left it. Who has given up root
 * may not be allowed to: then the next start removes it, for nobody accepts there.
 */
export function removeSocketFile(address: UnixAddress): void {
  if (isAbstract(address) || !existsSync(address.path)) return;
  try {
    unlinkSync(address.path);
  } catch (error) {
    if (!MAY_NOT.has(errorCode(error))) throw error;
  }
}

const MAY_NOT: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "ENOENT"]);

/** Whether the kernel's table has somebody who listens on the unix socket. */
export function isListening(address: UnixAddress): boolean {
  const path = address.path.replace(/^\0/, "@");
  let table: string;
  try {
    table = readFileSync(SOCKET_TABLE, "utf8");
  } catch {
    return false;
  }
  return table.split("\n").some((line) => {
    const columns = line.trimStart().split(" ");
    return line.endsWith(` ${path}`) && (parseInt(columns[3] ?? "", 16) & FLAG_ACCEPTING) !== 0;
  });
}
