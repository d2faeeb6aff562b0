/**
 * Certificates of a server, and those that it asks its clients for → what its site says of them. What
 * cannot be said closes the site (`server_guards.ts`).
 */
import type { Notes } from "../import/notes.ts";
import type { Directive } from "./parser.ts";
import type { Scope } from "./scope.ts";

interface TlsParts {
  readonly notes: Notes;
  readonly isFile: (path: string) => boolean;
}

/** Whether a server speaks TLS where it listens; `ssl on` is how it was said until nginx 1.25. */
export function speaksTls(scope: Scope, { args }: Directive): boolean {
  return args.includes("ssl") || scope.one("ssl")?.args[0] === "on";
}

/** The pairs of a server, each with its key; undefined where one is no file here. */
export function pairsOf(
  scope: Scope,
  isFile: (path: string) => boolean,
): readonly { readonly cert: string; readonly key: string }[] | undefined {
  const [certs, keys] = [scope.all("ssl_certificate"), scope.all("ssl_certificate_key")];
  const pairs = certs.map((directive, index) => ({
    cert: directive.args[0] ?? "",
    key: keys[index]?.args[0] ?? "",
  }));
  const areThere = pairs.every(({ cert, key }) => isFile(cert) && isFile(key));
  return areThere ? pairs : undefined;
}

/** What of its clients a server asks, where it can be said. */
export function clientAuthOf(
  scope: Scope,
  isFile: (path: string) => boolean,
): { readonly ca?: string; readonly mode: "request" | "require" } | undefined {
  const mode = scope.one("ssl_verify_client")?.args[0];
  if (mode === "optional_no_ca") return { mode: "request" };
  // Whom it revokes would be let in.
  if (scope.one("ssl_crl") !== undefined) return undefined;
  const ca = scope.one("ssl_client_certificate")?.args[0];
  if (ca === undefined || !isFile(ca)) return undefined;
  if (mode === "on") return { ca, mode: "require" };
  return mode === "optional" ? { ca, mode: "request" } : undefined;
}

/** Keys of the site. nginx serves plain HTTP where it listens for it: so does the site. */
export function tlsOptions(scope: Scope, { notes, isFile }: TlsParts): Record<string, unknown> {
  const isTls = scope.own("listen").some((listen) => speaksTls(scope, listen));
  if (!isTls) return {};
  const pairs = pairsOf(scope, isFile) ?? [];
  const client = clientAuthOf(scope, isFile);
  notes.take(...scope.all("ssl_certificate"), ...scope.all("ssl_certificate_key"));
  if (client !== undefined) {
    notes.take(scope.one("ssl_verify_client"), scope.one("ssl_client_certificate"));
  }
  return {
    ...(pairs.length > 0 && { tls: pairs.length === 1 ? pairs[0] : pairs, https: "allow" }),
    ...(client && { client_auth: client }),
  };
}
