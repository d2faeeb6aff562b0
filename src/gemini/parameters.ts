/**
 * The parameters that an application gets of a Gemini request: CGI/1.1 as far as it goes, and the
 * names that Gemini's servers have agreed on. Configured ones win; no name occurs twice.
 */
import { encodeNameValues } from "../protocol/name_value.ts";
import type { PeerCertificate } from "../runtime/tls.ts";
import type { GeminiFastCgiOptions } from "./options.ts";
import type { GeminiRequest } from "./request.ts";
import { decodeQuery } from "./uri.ts";

export interface ParameterConstants {
  /** Such as `afcgi/1.0.0`. */
  readonly serverSoftware: string;
  readonly route: Pick<GeminiFastCgiOptions, "strip" | "scriptName" | "params">;
}

/** Every parameter of a request: name to value. */
export function geminiParameters(
  constants: ParameterConstants,
  request: GeminiRequest,
): Map<string, string> {
  const { uri, connection, port } = request;
  const { route } = constants;
  const { scriptName, pathInfo } = splitPath(route, uri.path);
  const { certificate, peer } = connection;
  const search = searchString(uri.query);
  const parameters = new Map<string, string>([
    ["GATEWAY_INTERFACE", "CGI/1.1"],
    ["SERVER_PROTOCOL", "GEMINI"],
    ["SERVER_SOFTWARE", constants.serverSoftware],
    ["SERVER_NAME", uri.host],
    ["SERVER_PORT", String(port)],
    ["REQUEST_METHOD", "GET"],
    ["GEMINI_URL", uri.url],
    ["GEMINI_URL_PATH", uri.path],
    ...(search === undefined ? [] : [["GEMINI_SEARCH_STRING", search] as const]),
    ["QUERY_STRING", uri.query ?? ""],
    ["SCRIPT_NAME", scriptName],
    ["PATH_INFO", pathInfo],
    ["REMOTE_ADDR", peer.host],
    // No name is looked up.
    ["REMOTE_HOST", peer.host],
    ["REMOTE_PORT", String(peer.port)],
    ["TLS_VERSION", connection.version],
    ["TLS_CIPHER", connection.cipher],
    ["TLS_CIPHER_STRENGTH", String(cipherBits(connection.cipher))],
    ...certificateParameters(certificate),
  ]);
  for (const [name, value] of Object.entries(route.params)) {
    if (value === null) parameters.delete(name);
    else parameters.set(name, value);
  }
  return parameters;
}

export function encodeParameters(
  constants: ParameterConstants,
  request: GeminiRequest,
): Uint8Array {
  return encodeNameValues(geminiParameters(constants, request));
}

/** The path without its first `strip` segments, and what SCRIPT_NAME is then. */
export function splitPath(
  { strip, scriptName }: ParameterConstants["route"],
  path: string,
): { scriptName: string; pathInfo: string } {
  let offset = 0;
  for (let segments = strip; segments > 0 && offset >= 0; segments--) {
    offset = path.indexOf("/", offset + 1);
  }
  const cut = offset < 0 ? path.length : offset;
  const stripped = path.slice(0, cut).replace(/\/$/, "");
  return { scriptName: scriptName ?? stripped, pathInfo: path.slice(cut) };
}

/** The query as a person typed it; undefined where it is a form's ("=" unescaped) or not there. */
function searchString(query: string | undefined): string | undefined {
  return query === undefined || query.includes("=") ? undefined : decodeQuery(query);
}

function certificateParameters(
  certificate: PeerCertificate | undefined,
): readonly (readonly [string, string])[] {
  if (certificate === undefined) return [["AUTH_TYPE", ""]];
  return [
    ["AUTH_TYPE", "Certificate"],
    ["REMOTE_USER", certificate.subject],
    ["TLS_CLIENT_ISSUER", certificate.issuer],
    ["TLS_CLIENT_HASH", `SHA256:${certificate.sha256}`],
    ["TLS_CLIENT_SERIAL", certificate.serial],
    ["TLS_CLIENT_NOT_BEFORE", isoTime(certificate.notBeforeMs)],
    ["TLS_CLIENT_NOT_AFTER", isoTime(certificate.notAfterMs)],
  ];
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d+Z$/, "Z");
}

/** Bits of a cipher's key; its name says them, but for ChaCha20, which has 256. */
function cipherBits(cipher: string): number {
  if (/chacha20/i.test(cipher)) return 256;
  return Number(/AES_?(128|256)/i.exec(cipher)?.[1] ?? 0);
}
