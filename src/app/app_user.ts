/** Whom afcgi becomes once everything is open that wants root. */
import type { Address } from "../runtime/address.ts";
import { type Spawner, SpawnError } from "../runtime/spawner.ts";

/** Nobody else connects to a unix socket of which nothing is said. */
const SOCKET_MODE = 0o600;

/** @throws {SpawnError} when there is no such user, or we may not become him */
export async function becomeUser(
  name: string,
  spawner: Pick<Spawner, "findUser" | "isRoot" | "isSelf" | "become">,
): Promise<void> {
  const user = spawner.findUser(name);
  if (user === undefined) {
    throw new SpawnError(`Cannot become user "${name}": there is no such user (create it)`);
  }
  if (!spawner.isRoot && !spawner.isSelf(user)) {
    throw new SpawnError(
      `Cannot become user "${name}": only root may (start afcgi as root, or leave user out)`,
    );
  }
  await spawner.become(user);
}

/** The address with its file's mode in any case, and its owner, if it is not us. */
export function withSocketOwner(address: Address, owner: string | undefined | false): Address {
  if (address.transport !== "unix") return address;
  const { file = { mode: SOCKET_MODE } } = address;
  return { ...address, file: { ...file, ...(owner && { owner }) } };
}
