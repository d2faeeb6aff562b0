/**
 * What an application is told of a client's TLS, under the names and in the forms that users of nginx
 * know. A client cannot set them: its fields become HTTP_*.
 */
import { textOf } from "../certificates/client_verification.ts";
import type { PeerCertificate, TlsDetails } from "../runtime/tls_details.ts";
import type { RequestContext } from "./request_context.ts";

type Parameters = readonly (readonly [name: string, value: string])[];

/** Of a handshake, and of a certificate: the same for all requests of a connection. */
const OF_HANDSHAKE = new WeakMap<TlsDetails, Parameters>();
const OF_CERTIFICATE = new WeakMap<PeerCertificate, Parameters>();

/** Undefined where there is no TLS; what the client is, where somebody has asked. */
export function tlsParameters(
  { peer: { tls }, clientVerdict }: Pick<RequestContext, "peer" | "clientVerdict">,
): Parameters | undefined {
  if (tls === undefined) return undefined;
  const known = OF_HANDSHAKE.get(tls) ?? ofHandshake(tls);
  OF_HANDSHAKE.set(tls, known);
  if (clientVerdict === undefined) return known;
  const verify = ["SSL_CLIENT_VERIFY", clientVerdict] as const;
  return tls.certificate === undefined
    ? [...known, verify]
    : [...known, verify, ...certificateParameters(tls.certificate)];
}

function ofHandshake({ version, cipher, serverName }: TlsDetails): Parameters {
  const parameters: [string, string][] = [["SSL_PROTOCOL", version], ["SSL_CIPHER", cipher]];
  if (serverName !== undefined) parameters.push(["SSL_SERVER_NAME", serverName]);
  return parameters;
}

function certificateParameters(certificate: PeerCertificate): Parameters {
  const known = OF_CERTIFICATE.get(certificate);
  if (known !== undefined) return known;
  const text = textOf(certificate);
  const parameters: Parameters = text === undefined ? [] : [
    ["SSL_CLIENT_S_DN", text.subject],
    ["SSL_CLIENT_I_DN", text.issuer],
    ["SSL_CLIENT_SERIAL", text.serial],
    ["SSL_CLIENT_FINGERPRINT", certificate.sha1],
    ["SSL_CLIENT_CERT", foldedPem(certificate.der)],
  ];
  OF_CERTIFICATE.set(certificate, parameters);
  return parameters;
}

/** nginx's `$ssl_client_cert`: every line but the first begins with a tab, as a folded header does. */
function foldedPem(der: Uint8Array): string {
  const base64 = btoa(String.fromCharCode(...der));
  const lines = base64.match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----"].join("\n\t");
}

/** Names of `${tls.NAME}` in texts of the configuration, and their parameters. */
const TEMPLATE_NAMES: Readonly<Record<string, string>> = {
  "tls.version": "SSL_PROTOCOL",
  "tls.cipher": "SSL_CIPHER",
  "tls.server_name": "SSL_SERVER_NAME",
  "tls.client_verify": "SSL_CLIENT_VERIFY",
  "tls.client_s_dn": "SSL_CLIENT_S_DN",
  "tls.client_i_dn": "SSL_CLIENT_I_DN",
  "tls.client_serial": "SSL_CLIENT_SERIAL",
  "tls.client_fingerprint": "SSL_CLIENT_FINGERPRINT",
  "tls.client_cert": "SSL_CLIENT_CERT",
};

export const TLS_REFERENCE_NAMES: readonly string[] = Object.keys(TEMPLATE_NAMES);

/** The text of such a name; empty where there is none. Undefined: there is no such name. */
export function tlsReference(name: string): ((context: RequestContext) => string) | undefined {
  const wanted = Object.hasOwn(TEMPLATE_NAMES, name) ? TEMPLATE_NAMES[name] : undefined;
  if (wanted === undefined) return undefined;
  return (context) => {
    const found = tlsParameters(context)?.find(([parameter]) => parameter === wanted);
    return found?.[1] ?? "";
  };
}
