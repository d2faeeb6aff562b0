/** Whom afcgi becomes once everything is open that wants root. */
import { SpawnError, type Spawning } from "../runtime/spawning.ts";

/** @throws {SpawnError} when there is no such user, or we may not become him */
export async function becomeUser(
  name: string,
  spawning: Pick<Spawning, "findUser" | "isRoot" | "isSelf" | "become">,
): Promise<void> {
  const user = spawning.findUser(name);
  if (user === undefined) {
    throw new SpawnError(`Cannot become user "${name}": there is no such user (create it)`);
  }
  if (!spawning.isRoot && !spawning.isSelf(user)) {
    throw new SpawnError(
      `Cannot become user "${name}": only root may (start afcgi as root, or leave user out)`,
    );
  }
  await spawning.become(user);
}
