/**
 * Access by client certificates. The handshake has asked; what came of it is judged here,
 * for each request, by the authorities that its route (or else its listener) names: so another name
 * in the handshake, or another site on the same connection, opens nothing.
 *
 * As nginx has it, a certificate that no authority vouches for is refused also where none is
 * required: who shows one means to be somebody.
 */
import type { Authorities } from "../certificates/authorities.ts";
import type { ClientVerification } from "../certificates/client_verification.ts";
import type { ClientAuthOptions } from "../certificates/options.ts";
import { addressBytes } from "./ip_networks.ts";
import type { CertificatePart, OwnResponse, RequestContext } from "./request_context.ts";

/** The refusal; undefined: the request may go on, and its context knows who it is. */
export type ClientCheck = (context: RequestContext) => OwnResponse | undefined;

const REQUIRED: OwnResponse = { status: 400, code: "client_certificate_required" };
const REFUSED: OwnResponse = { status: 400, code: "client_certificate_refused" };
/** The client may ask again on a connection of its own (RFC 9110 section 15.5.20). */
export const MISDIRECTED: OwnResponse = { status: 421, code: "misdirected_request" };

/** `nowMs` is the time of day. */
export function compileClientCheck(
  options: ClientAuthOptions,
  authorities: Authorities,
  nowMs: () => number,
): ClientCheck {
  let verification: ClientVerification | undefined;
  const { ca, mode } = options;
  return (context) => {
    verification ??= authorities.of(options);
    const verdict = verification.verify(context.peer.tls, nowMs());
    const part: CertificatePart = context;
    part.clientVerdict = verdict;
    if (verdict === "SUCCESS") return undefined;
    if (verdict === "NONE") return mode === "require" ? REQUIRED : undefined;
    // Without authorities it is the application that decides.
    return ca === undefined && mode === "request" ? undefined : REFUSED;
  };
}

/**
 * Whether a request has come to a site over a handshake for another one, which has asked for other
 * certificates, or for none. `isSite` tells whether a name leads to the request's site.
 */
export function isMisdirected(
  { peer: { tls }, host }: RequestContext,
  isSite: (serverName: string) => boolean,
): boolean {
  if (tls === undefined) return false;
  // Nobody asks for an address by name (RFC 6066 section 3).
  if (tls.serverName === undefined) return !isAddress(host.name) && !isSite("");
  return !isSite(tls.serverName);
}

function isAddress(host: string): boolean {
  return addressBytes(host.replace(/^\[|\]$/g, "")) !== undefined;
}
