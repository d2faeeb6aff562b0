/**
 * Debian's `pebble`, an authority for certificates (RFC 8555) that is unfriendly on purpose, and the
 * name server that sends every name to this machine.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Child } from "./child.ts";
import { type CertificateFiles, selfSigned, signedBy } from "./certificates.ts";
import { freePort, temporaryDirectory, waitForListener } from "./places.ts";

export interface PebbleOptions {
  /** Percents of good nonces that are refused. */
  readonly nonceReject?: number;
  /** Percents of authorizations that need not be proven again. */
  readonly authzReuse?: number;
  /** External accounts by key id, with their keys in base64url. */
  readonly external?: Readonly<Record<string, string>>;
  /** How long certificates are valid, in seconds. */
  readonly validityS?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export class Pebble {
  readonly directory: string;
  /** PEM of who vouches for its server. */
  readonly caPath: string;
  /** Where names are looked for by `http-01` and `tls-alpn-01`. */
  readonly httpPort: number;
  readonly tlsPort: number;
  readonly #children: readonly Child[];
  readonly #port: number;
  readonly #managementPort: number;

  private constructor(children: readonly Child[], authority: CertificateFiles, ports: number[]) {
    const [port = 0, httpPort = 0, tlsPort = 0, managementPort = 0] = ports;
    this.#children = children;
    this.#port = port;
    this.#managementPort = managementPort;
    this.directory = `https://localhost:${port}/dir`;
    this.caPath = authority.certPath;
    this.httpPort = httpPort;
    this.tlsPort = tlsPort;
  }

  static async start(options: PebbleOptions = {}): Promise<Pebble> {
    const { nonceReject = 5, authzReuse = 0, external, validityS, env } = options;
    const directory = temporaryDirectory();
    const authority = selfSigned("/CN=Pebble's own");
    const certificate = signedBy(authority, "/CN=localhost", "subjectAltName=DNS:localhost");
    const ports: number[] = [];
    // afcgi tells a port of TLS by its end.
    for (let count = 0; count < 5; count++) ports.push(await freePort());
    const tlsPort = await tlsLikePort();
    const [port = 0, httpPort = 0, management = 0, dns = 0, dnsManagement = 0] = ports;
    const config = join(directory, "pebble.json");
    writeFileSync(
      config,
      JSON.stringify({
        pebble: {
          listenAddress: `127.0.0.1:${port}`,
          managementListenAddress: `127.0.0.1:${management}`,
          certificate: certificate.certPath,
          privateKey: certificate.keyPath,
          httpPort,
          tlsPort,
          ocspResponderURL: "",
          ...(validityS !== undefined && { certificateValidityPeriod: validityS }),
          externalAccountBindingRequired: external !== undefined,
          ...(external && { externalAccountMACKeys: external }),
        },
      }),
    );
    const names = new Child("pebble-challtestsrv", [
      ...["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", `127.0.0.1:${dns}`],
      ...["-http01", "", "-https01", "", "-tlsalpn01", ""],
      ...["-management", `127.0.0.1:${dnsManagement}`],
    ], { cwd: directory });
    const args = ["-config", config, "-strict", "-dnsserver", `127.0.0.1:${dns}`];
    const pebble = new Child("pebble", args, {
      cwd: directory,
      env: {
        PEBBLE_VA_NOSLEEP: "1",
        PEBBLE_WFE_NONCEREJECT: `${nonceReject}`,
        PEBBLE_AUTHZREUSE: `${authzReuse}`,
        ...env,
      },
    });
    await waitForListener({ network: "tcp", host: "127.0.0.1", port });
    await waitForListener({ network: "tcp", host: "127.0.0.1", port: dnsManagement });
    return new Pebble([pebble, names], authority, [port, httpPort, tlsPort, management]);
  }

  /** How many lines of its log match. */
  count(pattern: RegExp): number {
    const [pebble] = this.#children;
    return [...pebble!.stdout.lines, ...pebble!.stderr.lines].filter((line) => pattern.test(line))
      .length;
  }

  /** The root of the certificates that it issues, PEM. */
  root(): string {
    const url = `https://localhost:${this.#managementPort}/roots/0`;
    return execFileSync("curl", ["-sS", "--cacert", this.caPath, url]).toString();
  }

  get port(): number {
    return this.#port;
  }

  async stop(): Promise<void> {
    for (const child of this.#children) await child.stop("SIGKILL");
  }
}

/** A free port that ends in 443. */
export async function tlsLikePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = (10 + Math.floor(Math.random() * 50)) * 1000 + 443;
    if (await isFree(port)) return port;
  }
  throw new Error("Cannot find a free port that ends in 443");
}

async function isFree(port: number): Promise<boolean> {
  const { createServer } = await import("node:net");
  const server = createServer();
  return await new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
