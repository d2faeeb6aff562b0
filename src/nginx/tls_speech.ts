/**
 * How the servers of a listener speak TLS → `min` and `ciphers` of the listener, of which there is one
 * for all of them: the newest oldest version, and the ciphers of the first.
 */
import { listenAddress } from "./hosts.ts";
import type { Notes } from "../import/notes.ts";
import type { Directive } from "./parser.ts";
import type { Scope } from "./scope.ts";
import { speaksTls } from "./tls_options.ts";

/** What `ciphers` takes. */
const CIPHERS = /^[A-Za-z0-9_:!+@=-]+$/;

/** Those that speak TLS at an address; the default one is the first. */
function speakersAt(
  address: string,
  servers: readonly Scope[],
  ipv6Ports: ReadonlySet<string>,
): readonly Scope[] {
  const listenOf = (scope: Scope): Directive | undefined =>
    scope.own("listen").find((listen) =>
      speaksTls(scope, listen) && listenAddress(listen.args[0] ?? "", ipv6Ports) === address
    );
  const speakers = servers.filter((scope) => listenOf(scope) !== undefined);
  const first = speakers.find((scope) => listenOf(scope)?.args.includes("default_server"));
  return first === undefined ? speakers : [first, ...speakers.filter((it) => it !== first)];
}

export function tlsSpeech(
  address: string,
  servers: readonly Scope[],
  ipv6Ports: ReadonlySet<string>,
  notes: Notes,
): Record<string, unknown> {
  const speakers = speakersAt(address, servers, ipv6Ports);
  const protocols = speakers.map((scope) => scope.one("ssl_protocols"));
  const isModern = (it: Directive | undefined): boolean =>
    it !== undefined && it.args.includes("TLSv1.3") && !it.args.includes("TLSv1.2");
  const modern = protocols.find(isModern);
  for (const directive of protocols) {
    if (modern === undefined || directive === undefined) continue;
    if (isModern(directive)) notes.take(directive);
    else notes.add("differs", directive, "another server of its listener takes TLS 1.3 alone");
  }
  const [first, ...others] = speakers.map((scope) => scope.one("ssl_ciphers"));
  const text = first?.args[0] ?? "";
  const isCarried = CIPHERS.test(text);
  if (isCarried) notes.take(first);
  else if (first !== undefined) notes.add("lost", first, "no list of ciphers that is known here");
  for (const directive of others) {
    if (directive === undefined || directive.args[0] === first?.args[0]) continue;
    notes.add("differs", directive, "its listener has the ciphers of its first server");
  }
  return { ...(modern && { min: "1.3" }), ...(isCarried && { ciphers: text }) };
}
