/**
 * What guards a whole server and cannot be said here, so that its site is closed: a listener that
 * only some can reach, certificates of clients, versions of TLS, and whatever directive is not known,
 * because it may keep people out.
 */
import { mayGuard } from "./known_directives.ts";
import type { Notes } from "../import/notes.ts";
import type { Directive } from "./parser.ts";
import { Scope } from "./scope.ts";
import { clientAuthOf, pairsOf, speaksTls } from "./tls_options.ts";

/** The directive for which the site is closed, noted. */
export function guardOfAll(
  scope: Scope,
  notes: Notes,
  isFile: (path: string) => boolean,
): Directive | undefined {
  const verify = scope.one("ssl_verify_client");
  const asks = verify !== undefined && verify.args[0] !== "off";
  if (asks && clientAuthOf(scope, isFile) === undefined) {
    const crl = scope.one("ssl_crl");
    if (crl !== undefined) return refuse(crl, "lists of revoked certificates are not read", notes);
    return refuse(verify, "its ssl_client_certificate is no file here", notes);
  }
  const protocols = scope.one("ssl_protocols");
  const isTls = scope.own("listen").some((listen) => speaksTls(scope, listen));
  if (isTls && protocols !== undefined && !protocols.args.some(isSpoken)) {
    return refuse(protocols, "TLS 1.2 and 1.3 are spoken here", notes);
  }
  const unknown = scope.ofAll((it) => it.block === undefined && mayGuard(it));
  if (unknown === undefined) return undefined;
  return refuse(unknown, "it is not known, and may keep people out", notes);
}

function isSpoken(version: string): boolean {
  return version === "TLSv1.2" || version === "TLSv1.3";
}

function refuse(directive: Directive, reason: string, notes: Notes): Directive {
  notes.add("refused", directive, `${reason}, so the site is closed`);
  return directive;
}

/** The certificate of a server that is not here, where its listener has another one already. */
export function otherCertificate(
  server: Directive,
  servers: readonly Directive[],
  outer: Scope,
  isFile: (path: string) => boolean,
): Directive | undefined {
  if (pairsOf(new Scope(server.block ?? [], outer), isFile) !== undefined) return undefined;
  const first = servers.find((it) => certificateOf(it, outer) !== undefined);
  const own = certificateOf(server, outer);
  if (first === undefined || own === undefined || first === server) return undefined;
  return own.args[0] === certificateOf(first, outer)?.args[0] ? undefined : own;
}

function certificateOf(server: Directive, outer: Scope): Directive | undefined {
  const scope = new Scope(server.block ?? [], outer);
  const isTls = scope.own("listen").some((listen) => speaksTls(scope, listen));
  return isTls ? scope.one("ssl_certificate") : undefined;
}
