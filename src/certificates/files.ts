/**
 * Certificates from files: a pair, or several of which each handshake gets the one that fits it. The
 * files are looked at again; a new pair serves from the next handshake on. One that is faulty, as
 * while somebody has written the first of two files, changes nothing, and is told once it stays so.
 */
import type { Logger } from "../observe/logger.ts";
import type { ClientHello } from "../runtime/client_hello.ts";
import type { TimerId } from "../runtime/clock.ts";
import type { TlsIdentity } from "../runtime/connection.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { chooseCertificate } from "./choice.ts";
import type { PairPaths } from "./options.ts";
import { type CertificatePair, doubtOf, readPair } from "./pair.ts";
import type { CertificateSource, HeldCertificate } from "./source.ts";

type FilesRuntime = Pick<Runtime, "files" | "tls" | "clock">;

/** How often files are looked at. */
export const WATCH_INTERVAL_MS = 2_000;

interface WatchedPair {
  readonly paths: PairPaths;
  pair: CertificatePair;
  /** What the files were when the pair was read. */
  state: string;
  /** What they were when reading them failed; told once they have stayed so. */
  faulty: string | undefined;
  isTold: boolean;
}

/** @throws {TlsError} with the path, when a pair cannot be used */
export async function openCertificateFiles(
  paths: readonly PairPaths[],
  runtime: FilesRuntime,
  logger: Logger,
  onChange: () => void = () => {},
): Promise<CertificateFiles> {
  const pairs: WatchedPair[] = [];
  for (const one of paths) {
    // Before they are read: what changes meanwhile is read again.
    const state = stateOf(one, runtime);
    const pair = await readPair(one, runtime);
    const doubt = doubtOf(pair, one.cert, runtime.clock.wallMs());
    if (doubt !== undefined) logger.warn(doubt, { code: "certificate_failed" });
    pairs.push({ paths: one, pair, state, faulty: undefined, isTold: false });
  }
  return new CertificateFiles(pairs, runtime, logger, onChange);
}

export class CertificateFiles implements CertificateSource {
  readonly #watched: readonly WatchedPair[];
  readonly #runtime: FilesRuntime;
  readonly #logger: Logger;
  /** Another pair serves from now on. */
  readonly #onChange: () => void;
  #pairs: readonly CertificatePair[];
  #timer: TimerId | undefined;
  #isClosed = false;

  constructor(
    pairs: readonly WatchedPair[],
    runtime: FilesRuntime,
    logger: Logger,
    onChange: () => void,
  ) {
    this.#onChange = onChange;
    this.#watched = pairs;
    this.#pairs = pairs.map(({ pair }) => pair);
    this.#runtime = runtime;
    this.#logger = logger;
    this.#wait();
  }

  find(serverName: string, hello: ClientHello): TlsIdentity | undefined {
    return chooseCertificate(this.#pairs, serverName, hello)?.identity;
  }

  held(): readonly HeldCertificate[] {
    return this.#pairs.map(({ names, notAfterMs }) => ({ name: names[0] ?? "", notAfterMs }));
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
  }

  #wait(): void {
    if (this.#isClosed) return;
    this.#timer = this.#runtime.clock.setTimer(() => void this.#look(), WATCH_INTERVAL_MS);
  }

  async #look(): Promise<void> {
    for (const watched of this.#watched) await this.#lookAt(watched);
    this.#wait();
  }

  async #lookAt(watched: WatchedPair): Promise<void> {
    const { paths } = watched;
    const state = stateOf(paths, this.#runtime);
    if (state === watched.state) {
      watched.faulty = undefined;
      return;
    }
    const isSettled = state === watched.faulty;
    if (isSettled && watched.isTold) return;
    try {
      watched.pair = await readPair(paths, this.#runtime);
      watched.state = state;
      watched.faulty = undefined;
      this.#pairs = this.#watched.map(({ pair }) => pair);
      this.#onChange();
      this.#onRead(watched);
    } catch (error) {
      watched.isTold = isSettled;
      watched.faulty = state;
      if (!isSettled) return;
      const reason = error instanceof Error ? error.message : String(error);
      const message = `The certificate stays as it was: ${reason}`;
      this.#logger.error(message, { code: "certificate_failed", path: paths.cert });
    }
  }

  #onRead({ paths, pair }: WatchedPair): void {
    const { cert: path } = paths;
    const until = new Date(pair.notAfterMs).toISOString();
    this.#logger.info("certificate renewed", { code: "certificate_renewed", path, until });
    const doubt = doubtOf(pair, path, this.#runtime.clock.wallMs());
    if (doubt !== undefined) this.#logger.warn(doubt, { code: "certificate_failed", path });
  }
}

/** What the system says of both files of a pair: it changes whenever one of them does. */
export function stateOf({ cert, key }: PairPaths, { files }: Pick<Runtime, "files">): string {
  return [cert, key].map((path) => {
    try {
      const info = files.stat(path);
      if (info === undefined) return "none";
      const { device, inode, size, modifiedMs, changedMs } = info;
      return [device, inode, size, modifiedMs, changedMs].join(" ");
    } catch {
      return "unreadable";
    }
  }).join(", ");
}
