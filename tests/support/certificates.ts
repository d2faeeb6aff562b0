/** Certificates for tests, made by openssl once for each process that asks. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TlsFiles } from "../../src/runtime/connection.ts";
import { temporaryDirectory } from "./places.ts";

export interface CertificateFiles extends TlsFiles {
  readonly certPath: string;
  readonly keyPath: string;
}

const CURVE = ["-pkeyopt", "ec_paramgen_curve:prime256v1"];

function openssl(...args: string[]): void {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}

function filesIn(directory: string): CertificateFiles {
  const certPath = join(directory, "tls.crt");
  const keyPath = join(directory, "tls.key");
  const cert = readFileSync(certPath, "utf8");
  return { cert, key: readFileSync(keyPath, "utf8"), certPath, keyPath };
}

/** A certificate that signs itself; `subject` such as `/CN=Alice`. */
export function selfSigned(subject: string, ...extensions: string[]): CertificateFiles {
  const directory = temporaryDirectory();
  openssl(
    ...["req", "-x509", "-newkey", "ec", ...CURVE, "-nodes", "-days", "2", "-utf8"],
    ...["-subj", subject, ...extensions.flatMap((extension) => ["-addext", extension])],
    ...["-keyout", join(directory, "tls.key"), "-out", join(directory, "tls.crt")],
  );
  return filesIn(directory);
}

/** A certificate that an authority has signed, with the serial number 0x1234. */
export function signedBy(
  authority: CertificateFiles,
  subject: string,
  ...extensions: string[]
): CertificateFiles {
  const directory = temporaryDirectory();
  const request = join(directory, "tls.csr");
  openssl(
    ...["req", "-newkey", "ec", ...CURVE, "-nodes", "-subj", subject],
    ...extensions.flatMap((extension) => ["-addext", extension]),
    ...["-keyout", join(directory, "tls.key"), "-out", request],
  );
  openssl(
    ...[
      "x509",
      "-req",
      "-in",
      request,
      "-days",
      "2",
      "-set_serial",
      "4660",
      "-copy_extensions",
      "copy",
    ],
    ...["-CA", authority.certPath, "-CAkey", authority.keyPath],
    ...["-out", join(directory, "tls.crt")],
  );
  return filesIn(directory);
}
