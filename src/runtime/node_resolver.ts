/**
 * Names through `node:dns`, which both runtimes have. The system's own way (getaddrinfo) is handed
 * in: Bun's `node:dns` would go past it. Each question has a resolver of its own, for Bun's keeps
 * answers, and when to ask again is decided elsewhere; and each name server has one, for Deno's asks
 * only the first. docs/runtimes.md has what differs.
 */
import type { promises } from "node:dns";
import { errorCode } from "./failures.ts";
import { dnsModule } from "./lazy_modules.ts";
import {
  type HostResult,
  NameError,
  type Resolver,
  type ServiceRecord,
  type ServiceResult,
} from "./resolver.ts";

/** For one name server to answer. */
const TIMEOUT_MS = 1_000;

/** How often each name server is asked while none answers: packets get lost. */
const ROUNDS = 2;

type DnsResolver = InstanceType<typeof promises.Resolver>;

/** `lookup`: the addresses of a host as the system finds them. */
export function createNodeResolver(lookup: (name: string) => Promise<readonly string[]>): Resolver {
  return {
    async host(name, nameServers) {
      try {
        if (nameServers.length > 0) {
          return await askInTurn(nameServers, (resolver) => askHost(resolver, name));
        }
        return { addresses: [...new Set(await lookup(name))], ttlMs: undefined };
      } catch (cause) {
        throw nameError(name, cause);
      }
    },
    async service(name, nameServers) {
      try {
        return await askInTurn(nameServers, (resolver) => askService(resolver, name));
      } catch (cause) {
        throw nameError(name, cause);
      }
    },
  };
}

/** The system's own way where `node:dns` goes it. */
export async function lookupWithNode(name: string): Promise<readonly string[]> {
  const found = await dnsModule().promises.lookup(name, { all: true });
  return found.map(({ address }) => address);
}

/** The first response, also one that there is no such name; with no name servers the system's. */
async function askInTurn<Result>(
  nameServers: readonly string[],
  ask: (resolver: DnsResolver) => Promise<Result>,
): Promise<Result> {
  if (nameServers.length === 0) return await ask(new (dnsModule().promises.Resolver)());
  let failure: unknown;
  for (let round = 0; round < ROUNDS; round++) {
    for (const nameServer of nameServers) {
      const resolver = new (dnsModule().promises.Resolver)({ timeout: TIMEOUT_MS, tries: 1 });
      resolver.setServers([nameServer]);
      try {
        return await ask(resolver);
      } catch (error) {
        failure = error;
        if (isUnknown(error)) throw error;
      }
    }
  }
  throw failure;
}

async function askHost(resolver: DnsResolver, name: string): Promise<HostResult> {
  const results = await Promise.allSettled([
    resolver.resolve4(name, { ttl: true }),
    resolver.resolve6(name, { ttl: true }),
  ]);
  const found = results.flatMap((result) => result.status === "fulfilled" ? result.value : []);
  if (found.length === 0) {
    // Of the two the one that is no response: it may have been the one with addresses.
    const reasons = results.map((result) => (result as PromiseRejectedResult).reason as unknown);
    throw reasons.find((reason) => !isUnknown(reason)) ?? reasons[0];
  }
  return {
    addresses: found.map(({ address }) => address),
    ttlMs: Math.min(...found.map(({ ttl }) => ttl)) * 1_000,
  };
}

/** No runtime tells how long the records are good. */
async function askService(resolver: DnsResolver, name: string): Promise<ServiceResult> {
  const found = await resolver.resolveSrv(name);
  const records = found.map(({ name: host, port, priority, weight }): ServiceRecord => ({
    host: host.replace(/\.$/, ""),
    port,
    priority,
    weight,
  }));
  // RFC 2782: "." says that the service is decidedly not there.
  const offered = records.filter(({ host, port }) => host !== "" && port > 0);
  if (offered.length > 0) return { records: offered, ttlMs: undefined };
  throw Object.assign(new Error("The service is not offered"), { code: "ENODATA" });
}

const UNKNOWN_CODES: ReadonlySet<string> = new Set(["ENOTFOUND", "ENODATA", "EAI_NONAME"]);

function isUnknown(cause: unknown): boolean {
  return UNKNOWN_CODES.has(errorCode(cause).replace(/^DNS_/, ""));
}

function nameError(name: string, cause: unknown): NameError {
  if (isUnknown(cause)) {
    return new NameError("unknown", `"${name}" is not known to the name service`, { cause });
  }
  const why = errorCode(cause) || (cause instanceof Error ? cause.message : String(cause));
  return new NameError("unavailable", `The name service does not tell "${name}": ${why}`, {
    cause,
  });
}
