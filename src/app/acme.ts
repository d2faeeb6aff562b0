/** Certificates of an authority, as the program wants them: the store, its metrics, its log. */
import { AutomaticCertificates } from "../acme/automatic.ts";
import { Challenges } from "../acme/challenges.ts";
import { ACME_DEFAULTS } from "../acme/options.ts";
import { AcmeError } from "../acme/problem.ts";
import type { AutomaticSource, CertificateSite } from "../certificates/source.ts";
import { CertificateStore, PrivateDirectoryError } from "../certificates/store.ts";
import { storeDirectory } from "../certificates/store_directory.ts";
import type { Logger } from "../observe/logger.ts";
import type { Counter } from "../observe/metrics.ts";
import { FileError } from "../runtime/file_error.ts";
import { ListenError } from "../runtime/network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { AppOptions } from "./options.ts";

interface AcmeDeps {
  readonly runtime: Runtime;
  readonly logger: Logger;
  /** What every order is counted with. */
  readonly orders: Counter;
  readonly version: string;
}

/**
 * @param onHeld another certificate serves from the next handshake on
 * @throws {ListenError} when the store cannot be used
 */
export async function openAcme(
  { acme = ACME_DEFAULTS, store, user }: Pick<AppOptions, "acme" | "store" | "user">,
  sites: readonly CertificateSite[],
  { runtime, logger, orders, version }: AcmeDeps,
  onHeld?: () => void,
): Promise<AutomaticCertificates> {
  const owner = user === undefined ? undefined : runtime.spawner.findUser(user);
  try {
    return await AutomaticCertificates.open(acme, sites, {
      runtime,
      store: CertificateStore.open(storeDirectory(store, runtime.process), runtime, owner),
      log: logger,
      userAgent: `afcgi/${version}`,
      onOrder: (result) => orders.add([result]),
      onHeld,
    });
  } catch (cause) {
    if (cause instanceof PrivateDirectoryError) {
      const remedy = "name a directory in tls.store or AFCGI_STORE that afcgi may write to";
      throw new ListenError(`${cause.message} (${remedy})`, { cause });
    }
    if (!(cause instanceof FileError) && !(cause instanceof AcmeError)) throw cause;
    throw new ListenError(cause.message, { cause });
  }
}

/**
 * What a thread without certificates tells an authority over HTTP: challenges lie in the store.
 *
 * @throws {ListenError} when the store cannot be used
 */
export function openChallenges(
  { store }: Pick<AppOptions, "store">,
  { runtime }: Pick<AcmeDeps, "runtime">,
): AutomaticSource {
  const opened = CertificateStore.open(storeDirectory(store, runtime.process), runtime);
  const challenges = new Challenges(opened, runtime.clock);
  return {
    find: () => undefined,
    held: () => [],
    start() {},
    close() {},
    answerChallenge: (host, token) => challenges.httpBody(host, token),
  };
}
