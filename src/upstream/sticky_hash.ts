/**
 * `balance: hash`: which server a key belongs to. Rendezvous hashing: every server draws a number
 * for the key, from the two of them alone, and the highest gets it. So all processes agree without
 * talking, the servers behind the first are an order of replacement, and one that goes or comes
 * moves no key but its own. Weights stretch the draw (-weight / ln(u)), which keeps shares exact.
 *
 * The hash is quick, not secret: who picks the keys can pick the server.
 */
import { findValue } from "../protocol/name_value.ts";
import type { UpstreamRequest } from "./request.ts";

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const TWO_TO_32 = 0x1_0000_0000;

const encoder = new TextEncoder();

/** FNV-1a, 32 bits. */
export function hashBytes(bytes: Uint8Array): number {
  let hash = FNV_OFFSET;
  for (let index = 0; index < bytes.length; index++) {
    hash = Math.imul(hash ^ bytes[index]!, FNV_PRIME);
  }
  return hash >>> 0;
}

export function hashText(text: string): number {
  return hashBytes(encoder.encode(text));
}

/**
 * The hash of a parameter's value among encoded parameters; undefined where a request has no such
 * parameter, or an empty one.
 */
export function keyHashOf(params: Uint8Array, name: Uint8Array): number | undefined {
  const value = findValue(params, name);
  return value === undefined || value.length === 0 ? undefined : hashBytes(value);
}

/** The hash of what keeps a request with one server; undefined where nothing does. */
export function requestKeyHash(
  request: Pick<UpstreamRequest, "http" | "params">,
  contentLength: number | undefined,
  name: string | undefined,
): number | undefined {
  if (name === undefined) return undefined;
  const { http } = request;
  if (http === undefined) return keyHashOf(request.params(contentLength), encoder.encode(name));
  const value = http.valueOf(name);
  return value === undefined || value === "" ? undefined : hashText(value);
}

/** The server's draw for the key, both as hashes; the highest wins. */
export function draw(keyHash: number, serverHash: number, weight: number): number {
  // Above 0 and below 1, or the logarithm would not be a finite number below 0.
  const uniform = (mix(keyHash ^ mix(serverHash)) + 0.5) / TWO_TO_32;
  return -weight / Math.log(uniform);
}

/** The finalizer of MurmurHash3: every bit of the input reaches every bit of the output. */
function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
