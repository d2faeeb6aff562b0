/** Whom a spawned application runs as, and whether afcgi may start it and connect to it then. */
import { type Spawner, SpawnError, type UserIds } from "../runtime/spawner.ts";
import { type CommandKind, FPM_USER } from "./options.ts";

export interface WorkerUserRules {
  readonly upstream: string;
  /** As the configuration says; undefined: nothing. */
  readonly name: string | undefined;
  readonly kind: CommandKind;
  /** Who connects, where that is somebody else than we are. */
  readonly client: UserIds | undefined;
  /** Whether its sockets are made by the worker itself. */
  readonly isMadeByUser: boolean;
}

/** Undefined: as we do. @throws {SpawnError} */
export function findWorkerUser(
  spawner: Pick<Spawner, "findUser" | "isRoot" | "isSelf">,
  { upstream, name: given, kind, client, isMadeByUser }: WorkerUserRules,
): UserIds | undefined {
  const isFpmOfRoot = kind === "php-fpm" && spawner.isRoot;
  const name = given ?? (isFpmOfRoot ? FPM_USER : client?.name);
  if (name === undefined) return undefined;
  const found = spawner.findUser(name);
  if (found === undefined) {
    throw new SpawnError(
      `Cannot start upstream "${upstream}": there is no user "${name}" (name one with spawn.user)`,
    );
  }
  if (!spawner.isRoot && spawner.isSelf(found)) return undefined;
  if (!spawner.isRoot) {
    throw new SpawnError(
      `Cannot start upstream "${upstream}" as user "${name}": only root may ` +
        "(start afcgi as root, or leave spawn.user out)",
    );
  }
  if (client !== undefined && isMadeByUser && found.user !== client.user) {
    throw new SpawnError(
      `Cannot start upstream "${upstream}" as user "${name}": afcgi, which is to be user ` +
        `"${client.name}", could not connect to its socket (take {socket} out, so that it ` +
        "gets its socket as descriptor 0, or name one user for both)",
    );
  }
  return found;
}
