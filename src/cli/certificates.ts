/**
 * What `check` and `serve` say of certificates: errors of their files with the place where they are
 * named, and for `check --certificates` what each site has and what its listener shows.
 */
import type { AppOptions } from "../app/options.ts";
import { Authorities } from "../certificates/authorities.ts";
import { doubtOf, PairError, readPair } from "../certificates/pair.ts";
import type { PairPaths } from "../certificates/options.ts";
import type { LocatedError } from "../config/located_error.ts";
import type { LocatedText, LocatedTls } from "../config/tls_references.ts";
import { formatAddress, type TcpAddress } from "../runtime/address.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { TlsError } from "../runtime/tls.ts";
import { errorText } from "./command.ts";

/** How long a listener may take to show a certificate. */
const PROBE_LIMIT_MS = 5_000;

export interface TlsFindings {
  /** What cannot be served. */
  readonly errors: readonly LocatedError[];
  /** What can, and clients will refuse. */
  readonly doubts: readonly LocatedError[];
}

export async function checkTls(
  { pairs, authorities, ciphers }: LocatedTls,
  source: string,
  runtime: Pick<Runtime, "files" | "tls" | "clock">,
): Promise<TlsFindings> {
  const errors: LocatedError[] = [];
  const doubts: LocatedError[] = [];
  const attempt = async ({ text, place }: LocatedText, action: (text: string) => unknown) => {
    try {
      await action(text);
    } catch (error) {
      if (!(error instanceof TlsError)) throw error;
      errors.push({ source, place, message: error.message });
    }
  };
  for (const one of ciphers) await attempt(one, (list) => runtime.tls.checkCiphers(list));
  // Many sites may have the same files.
  const read = once((path) => new Authorities().read(path, runtime));
  for (const one of authorities) await attempt(one, read);
  const judge = once(async (_key, paths: PairPaths) =>
    doubtOf(await readPair(paths, runtime), paths.cert, runtime.clock.wallMs())
  );
  for (const { paths, places } of pairs) {
    try {
      const message = await judge(JSON.stringify([paths.cert, paths.key]), paths);
      if (message !== undefined) doubts.push({ source, place: places.cert, message });
    } catch (error) {
      if (!(error instanceof PairError)) throw error;
      errors.push({ source, place: places[error.file], message: error.message });
    }
  }
  return { errors, doubts };
}

/** The same with what came of each key before. */
function once<Rest extends readonly unknown[], Result>(
  action: (key: string, ...rest: Rest) => Promise<Result>,
): (key: string, ...rest: Rest) => Promise<Result> {
  const known = new Map<string, Promise<Result>>();
  return (key, ...rest) => {
    const result = known.get(key) ?? action(key, ...rest);
    known.set(key, result);
    return result;
  };
}

/** A line for each name of a site, and what its listeners show for it. */
export async function describeCertificates(
  { listen, sites }: AppOptions,
  runtime: Runtime,
): Promise<string[]> {
  const lines: string[] = [];
  const listeners = listen.flatMap(({ address, tls }) =>
    tls !== undefined && address.transport === "tcp" && address.port !== 0 ? [address] : []
  );
  for (const { hosts, tls } of sites) {
    const names = hosts.length === 0 ? [""] : hosts;
    for (const name of names.filter(() => tls !== undefined || listeners.length > 0)) {
      const from = tls === undefined ? "the listener's" : tls.kind;
      lines.push(`${name || "every host"}: ${from}`);
      for (const address of listeners) {
        const serverName = name.startsWith("*.") ? `probe${name.slice(1)}` : name;
        lines.push(`  ${formatAddress(address)} ${await shown(address, serverName, runtime)}`);
      }
    }
  }
  return lines;
}

async function shown(address: TcpAddress, serverName: string, { tls, clock }: Runtime) {
  const host = address.host === "0.0.0.0" || address.host === "::" ? "127.0.0.1" : address.host;
  const signal = AbortSignal.timeout(PROBE_LIMIT_MS);
  try {
    const isName = /[a-z]/i.test(serverName) && !serverName.includes(":");
    const connection = await tls.connect({ ...address, host }, {
      signal,
      ...(isName && { serverName }),
    });
    connection.destroy();
    const { certificate } = connection;
    if (certificate === undefined) return "shows no certificate";
    const days = Math.floor((certificate.notAfterMs - clock.wallMs()) / 86_400_000);
    const until = new Date(certificate.notAfterMs).toISOString().slice(0, 10);
    return `shows ${certificate.subject || "a name-less certificate"} of ${
      certificate.issuer || "nobody"
    }, until ${until} (${days} days)`;
  } catch (error) {
    return `shows nothing: ${errorText(error)}`;
  }
}
