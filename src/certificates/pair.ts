/**
 * A certificate with its chain, and its key: what can be wrong with two files, told as people can
 * mend it. What cannot be served at all is an error; what can, and will be refused by clients, is a
 * doubt.
 */
import type { TlsIdentity } from "../runtime/connection.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type CertificateFacts, type KeyKind, TlsError } from "../runtime/tls.ts";
import type { PairPaths } from "./options.ts";

export interface CertificatePair {
  readonly identity: TlsIdentity;
  /** In lower case, wildcards and addresses among them. */
  readonly names: readonly string[];
  readonly keyKind: KeyKind;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Which of the two files an error is about. */
export class PairError extends TlsError {
  readonly file: "cert" | "key";

  constructor(file: "cert" | "key", message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.file = file;
  }
}

/** @throws {PairError} */
export async function readPair(
  paths: PairPaths,
  runtime: Pick<Runtime, "files" | "tls">,
): Promise<CertificatePair> {
  const cert = await readFile("cert", paths.cert, runtime);
  const key = await readFile("key", paths.key, runtime);
  return checkPair(paths, { cert, key }, runtime);
}

async function readFile(
  file: "cert" | "key",
  path: string,
  { files }: Pick<Runtime, "files">,
): Promise<string> {
  try {
    return await files.readText(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `Cannot read "${path}": ${reason} (make it readable for afcgi)`;
    throw new PairError(file, message, { cause });
  }
}

const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;
const ENCRYPTED_KEY = /-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/;
const CERTIFICATE = "-----BEGIN CERTIFICATE-----";

/** @throws {PairError} */
export function checkPair(
  paths: PairPaths,
  identity: TlsIdentity,
  { tls }: Pick<Runtime, "tls">,
): CertificatePair {
  const { cert, key } = identity;
  const isCert = cert.includes(CERTIFICATE);
  const isKey = PRIVATE_KEY.test(key);
  if (!isCert && PRIVATE_KEY.test(cert) && key.includes(CERTIFICATE)) {
    const what = `"${paths.cert}" is the key and "${paths.key}" the certificate`;
    throw new PairError("cert", `${what} (swap cert and key)`);
  }
  if (!isCert) {
    const what = `There is no certificate in PEM form in "${paths.cert}"`;
    throw new PairError("cert", `${what} (it begins with "${CERTIFICATE}")`);
  }
  if (!isKey) {
    const what = `There is no private key in PEM form in "${paths.key}"`;
    throw new PairError("key", `${what} (it begins with "-----BEGIN PRIVATE KEY-----")`);
  }
  if (ENCRYPTED_KEY.test(key)) {
    const what = `The key in "${paths.key}" is locked with a passphrase`;
    throw new PairError("key", `${what} (write it without one: openssl pkey -in KEY -out NEW)`);
  }
  const chain = readChain(paths, cert, tls);
  const [own] = chain;
  if (own === undefined || chain.length < cert.split(CERTIFICATE).length - 1) {
    const what = `"${paths.cert}" is cut short: a certificate has no end`;
    throw new PairError("cert", `${what} (copy the whole file)`);
  }
  checkKey(paths, identity, chain, tls);
  checkOrder(paths, chain);
  const { names, keyKind, notBeforeMs, notAfterMs } = own;
  return { identity, names, keyKind, notBeforeMs, notAfterMs };
}

function readChain(
  { cert: path }: PairPaths,
  text: string,
  tls: Runtime["tls"],
): readonly CertificateFacts[] {
  try {
    return tls.readCertificates(text);
  } catch (cause) {
    const message = `Cannot read the certificate in "${path}" (is the file whole?)`;
    throw new PairError("cert", message, { cause });
  }
}

/** The server's own certificate stands first (RFC 8446 section 4.4.2). */
function checkKey(
  paths: PairPaths,
  { cert, key }: TlsIdentity,
  chain: readonly CertificateFacts[],
  tls: Runtime["tls"],
): void {
  try {
    if (chain[0]!.hasKey(key)) {
      tls.checkIdentity({ cert, key });
      return;
    }
  } catch (cause) {
    const message = `Cannot read the key in "${paths.key}" (is the file whole?)`;
    throw new PairError("key", message, { cause });
  }
  const place = chain.findIndex((one) => one.hasKey(key));
  if (place > 0) {
    const what = `The chain in "${paths.cert}" is in the wrong order`;
    throw new PairError(
      "cert",
      `${what}: the key's certificate is number ${place + 1} (put it first)`,
    );
  }
  const what = `The key in "${paths.key}" is not that of the certificate in "${paths.cert}"`;
  throw new PairError("key", `${what} (name a certificate and its own key)`);
}

/** Each certificate is vouched for by the next one; some clients take no other order. */
function checkOrder({ cert: path }: PairPaths, chain: readonly CertificateFacts[]): void {
  for (let index = 1; index < chain.length; index++) {
    if (chain[index]!.hasIssued(chain[index - 1]!)) continue;
    const isElsewhere = chain.some((other) =>
      other !== chain[index - 1] &&
      other.hasIssued(chain[index - 1]!)
    );
    const what = isElsewhere
      ? `The chain in "${path}" is in the wrong order`
      : `The chain in "${path}" does not hang together`;
    const who = `number ${index + 1} did not issue number ${index}`;
    throw new PairError("cert", `${what}: ${who} (put each before the one that issued it)`);
  }
}

/** What clients will not accept, and we can serve. */
export function doubtOf(
  { notBeforeMs, notAfterMs }: Pick<CertificatePair, "notBeforeMs" | "notAfterMs">,
  path: string,
  nowMs: number,
): string | undefined {
  const day = (timeMs: number) => new Date(timeMs).toISOString().slice(0, 16).replace("T", " ");
  if (nowMs > notAfterMs) {
    return `The certificate in "${path}" expired at ${day(notAfterMs)} UTC (renew it)`;
  }
  if (nowMs < notBeforeMs) {
    const when = `is not valid before ${day(notBeforeMs)} UTC`;
    return `The certificate in "${path}" ${when} (wait, or look at this machine's clock)`;
  }
  return undefined;
}
