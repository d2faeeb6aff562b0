/**
 * A server that is compared: how it is started for a task, on one process or thread where a case does not ask for
 * more, tuned as its
 * manual advises. A contender does not know the cases; it gets the {@link ProxySetup} that it is to
 * serve.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CERTIFICATE, PRIVATE_KEY } from "../../tests/runtime/certificate.ts";
import { missingPeer, type PeerName } from "../../tests/support/peers.ts";
import { freePort, waitForListener } from "../../tests/support/places.ts";
import type { Child } from "../../tests/support/child.ts";
import type { Application } from "../applications/application.ts";
import type { Scope, StartOptions } from "../scope.ts";

/** More requests on a connection than any round can send. */
export const REQUESTS_UNLIMITED = 1_000_000_000;

/** Most clients of any case, with room. */
export const CLIENTS_MAX = 12_000;

/** What a server is to be for one row of a table. */
export interface ProxySetup {
  readonly port: number;
  /** For its files. */
  readonly directory: string;
  /** What answers; undefined: the files below `root`. */
  readonly application?: Application;
  /** Connections to the application that it keeps; 0: a new one for each request. */
  readonly kept: number;
  /** The most connections to the application at once; undefined: as many as it likes. */
  readonly connectionsMax?: number;
  /** For those that leave it to their configuration: many requests on one connection. */
  readonly multiplex?: boolean;
  /** Threads or processes that serve; left out: 1. */
  readonly threads?: number;
  /** What clients speak; left out: HTTP/1.1. Some speak one thing on a port in cleartext. */
  readonly protocol?: "HTTP/1.1" | "HTTP/2";
  /** Compressed by gzip for whoever asks for it, at about the same size. */
  readonly isCompressed?: boolean;
  /** Over TLS, with the certificate of {@link tlsFiles}. */
  readonly isTls?: boolean;
  /** Where files or scripts are. */
  readonly root: string;
  /** A file for the access log; undefined: none. */
  readonly accessLog?: string;
  /** Whether routes and a site that no request meets use all that afcgi has to offer. */
  readonly hasUnused?: boolean;
  /** How large afcgi's configuration is; left out: as small as can be. */
  readonly grown?: Grown;
}

/** How much of something there is in a configuration; one, where it is left out. */
export interface Grown {
  /** Sites beside the one that is asked, each with a host, or a wildcard. */
  readonly sites?: { readonly count: number; readonly areWildcards?: boolean };
  /** Paths of routes before the one that responds. */
  readonly paths?: readonly string[];
  /** Addresses of the application, each a name of the same socket. */
  readonly servers?: number;
  /** Parameters with a reference, or without. */
  readonly params?: { readonly count: number; readonly areFixed?: boolean };
}

export interface Command extends StartOptions {
  readonly program: string;
  readonly args: readonly string[];
}

export interface Contender {
  /** As on the command line. */
  readonly name: string;
  /** As in the tables. */
  readonly title: string;
  /** Its entry in `peers.json`; undefined: it is ours. */
  readonly peer?: PeerName;
  /** It has what a case asks for only in some cases. */
  readonly servesFiles: boolean;
  /** Writes its configuration and says how it is started. */
  command(setup: ProxySetup): Command;
}

export interface Running {
  readonly child: Child;
  readonly port: number;
}

export type SetupOptions = Omit<ProxySetup, "port" | "directory" | "root"> & {
  readonly root?: string;
};

/** Starts it without waiting for anything. */
export async function launch(
  scope: Scope,
  contender: Contender,
  options: SetupOptions,
): Promise<Running> {
  const port = await freePort();
  const directory = scope.newDirectory(contender.name);
  const root = options.root ?? options.application?.root ?? directory;
  const { program, args, ...rest } = contender.command({ ...options, root, port, directory });
  return { child: scope.start(program, args, rest), port };
}

/** Starts it and waits until it listens. */
export async function start(
  scope: Scope,
  contender: Contender,
  options: SetupOptions,
): Promise<Running> {
  const running = await launch(scope, contender, options);
  const ended = running.child.exited.then(({ code }) => {
    const output = [...running.child.stdout.lines, ...running.child.stderr.lines].join("\n");
    throw new Error(`Cannot start ${contender.title}: it ended with status ${code}\n${output}`);
  });
  await Promise.race([
    waitForListener({ network: "tcp", host: "127.0.0.1", port: running.port }),
    ended,
  ]);
  // From here on its end is the business of who measures.
  ended.catch(() => {});
  return running;
}

/** A certificate and its key, and both in one file, below the directory of a setup. */
export function tlsFiles({ directory }: Pick<ProxySetup, "directory">) {
  const path = (name: string) => join(directory, name);
  const [cert, key, both] = [path("tls.crt"), path("tls.key"), path("tls.pem")];
  writeFileSync(cert, CERTIFICATE);
  writeFileSync(key, PRIVATE_KEY);
  writeFileSync(both, CERTIFICATE + PRIVATE_KEY);
  return { cert, key, both };
}

/** Why it cannot take part; false when it can. */
export function missing(contender: Contender): string | false {
  return contender.peer !== undefined && missingPeer(contender.peer);
}
