/** What a certificate says (RFC 5280 section 4.1), read from its bytes: the same on every runtime. */
import { contentOf, DerTag, type DerValue, derValues, inside, oidOf } from "./der_reader.ts";
import { formatName, hex } from "./distinguished_name.ts";

export interface CertificateText {
  readonly subject: string;
  readonly issuer: string;
  /** Upper-case hexadecimal digits, two for each byte. */
  readonly serial: string;
  /** Whether it may vouch for others. */
  readonly isAuthority: boolean;
  /** How many authorities may stand below it; undefined: as many as there are. */
  readonly pathLengthMax: number | undefined;
  /** Object identifiers of what it may be used for; undefined: anything. */
  readonly purposes: readonly string[] | undefined;
  /** Whether it has an extension that is critical and that nobody here knows. */
  readonly hasUnknownCritical: boolean;
}

export const Purpose = { SERVER: "1.3.6.1.5.5.7.3.1", CLIENT: "1.3.6.1.5.5.7.3.2" } as const;
const ANY_PURPOSE = "2.5.29.37.0";

const EXTENSIONS = 0xa3;
const VERSION = 0xa0;

const Extension = {
  KEY_USAGE: "2.5.29.15",
  ALTERNATIVE_NAMES: "2.5.29.17",
  BASIC_CONSTRAINTS: "2.5.29.19",
  POLICIES: "2.5.29.32",
  PURPOSES: "2.5.29.37",
} as const;

const KNOWN: ReadonlySet<string> = new Set(Object.values(Extension));

/** keyCertSign is the sixth bit (RFC 5280 section 4.2.1.3). */
const SIGNS_CERTIFICATES = 0x04;

/** @throws {DerError} */
export function readCertificateText(der: Uint8Array): CertificateText {
  const [certificate] = derValues(der);
  const [body] = inside(certificate, DerTag.SEQUENCE);
  const values = inside(body, DerTag.SEQUENCE);
  if (values[0]?.tag === VERSION) values.shift();
  const [serial, , issuer, , subject] = values;
  const last = values.find(({ tag }) => tag === EXTENSIONS);
  const extensions = last === undefined ? [] : inside(derValues(last.content)[0], DerTag.SEQUENCE);
  return {
    subject: formatName(subject),
    issuer: formatName(issuer),
    serial: formatSerial(contentOf(serial, DerTag.INTEGER)),
    ...readExtensions(extensions),
  };
}

/** As OpenSSL writes it: without the byte that only says that the number is positive. */
function formatSerial(bytes: Uint8Array): string {
  const isPadded = bytes.length > 1 && bytes[0] === 0;
  return hex(isPadded ? bytes.subarray(1) : bytes);
}

type Extensions = Omit<CertificateText, "subject" | "issuer" | "serial">;

function readExtensions(extensions: readonly DerValue[]): Extensions {
  let isAuthority = false;
  let maySign = true;
  let pathLengthMax: number | undefined;
  let purposes: string[] | undefined;
  let hasUnknownCritical = false;
  for (const extension of extensions) {
    const [id, ...rest] = inside(extension, DerTag.SEQUENCE);
    const oid = oidOf(id);
    const isCritical = rest[0]?.tag === DerTag.BOOLEAN && rest[0].content[0] !== 0;
    const [value] = derValues(contentOf(rest.at(-1), DerTag.OCTET_STRING));
    if (oid === Extension.BASIC_CONSTRAINTS) {
      const [first, second] = inside(value, DerTag.SEQUENCE);
      isAuthority = first?.tag === DerTag.BOOLEAN && first.content[0] !== 0;
      const length = first?.tag === DerTag.INTEGER ? first : second;
      pathLengthMax = length === undefined ? undefined : numberOf(length.content);
    } else if (oid === Extension.KEY_USAGE) {
      const [, bits = 0] = contentOf(value, DerTag.BIT_STRING);
      maySign = (bits & SIGNS_CERTIFICATES) !== 0;
    } else if (oid === Extension.PURPOSES) {
      purposes = inside(value, DerTag.SEQUENCE).map(oidOf);
    } else if (isCritical && !KNOWN.has(oid)) hasUnknownCritical = true;
  }
  return { isAuthority: isAuthority && maySign, pathLengthMax, purposes, hasUnknownCritical };
}

function numberOf(bytes: Uint8Array): number {
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

/** Whether it may be used for that. */
export function isFor({ purposes }: CertificateText, purpose: string): boolean {
  return purposes === undefined || purposes.includes(purpose) || purposes.includes(ANY_PURPOSE);
}
