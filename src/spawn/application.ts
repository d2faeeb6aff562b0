/**
 * A spawned application: its workers, each with a socket of its own in a private directory, so that
 * each is a server of the upstream and can be drained alone. Workers are replaced one by one: a new
 * one on a new socket first; once it listens the old one gets no more requests, and when those it
 * has are done it is stopped. php-fpm counts as one worker, for its children are its own affair.
 *
 * It does not know the upstream: whoever assembles hands in where servers go.
 */
import type { Runtime } from "../runtime/runtime.ts";
import type {
  ListeningSocket,
  SocketOwner,
  SpawnDirectory,
  SpawnedProcess,
  UserIds,
} from "../runtime/spawner.ts";
import { errorText } from "../upstream/errors.ts";
import { environmentFor } from "./environment.ts";
import { fpmArguments, fpmConfig } from "./fpm_config.ts";
import { type CommandKind, commandKind, type SpawnOptions, workerCount } from "./options.ts";
import type { SpawnDeps } from "./deps.ts";
import { OutputLines } from "./output_lines.ts";
import { Pauses } from "./pauses.ts";
import { findProgram } from "./program.ts";
import { nextSocketNumber, socketCount, socketNumber, workerSocket } from "./sockets.ts";
import { Worker } from "./worker.ts";
import { findWorkerUser } from "./worker_user.ts";
import { reportIfOurs } from "../runtime/unexpected.ts";

/** Stands for the path of the socket in an argument. */
export const SOCKET_MARK = "{socket}";

/** Connections that may wait at a worker's socket. */
const BACKLOG = 511;

/** A new worker must have listened this long before the old one goes. */
export const SETTLE_MS = 300;

/** From one look at the workers' requests to the next, with `max_requests`. */
export const REQUESTS_POLL_MS = 1_000;

/** From one look whether the directory and its sockets are still there to the next. */
export const DIRECTORY_POLL_MS = 5_000;

/** What is known once it was started. */
interface Prepared {
  directory: SpawnDirectory;
  readonly user: UserIds | undefined;
  /** The program's path, and its arguments. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

export class SpawnedApplication {
  readonly options: SpawnOptions;
  readonly #deps: SpawnDeps;
  readonly #kind: CommandKind;
  readonly #inherits: boolean;
  readonly #sockets = new Map<Worker, ListeningSocket>();
  /** Those that are to be there, and those that make way. */
  #workers: Worker[] = [];
  readonly #leaving = new Set<Worker>();
  readonly #formerDirectories = new Set<SpawnDirectory>();
  #prepared: Prepared | undefined;
  /** That of the socket that was made last. */
  #lastNumber = 0;
  #starting: Promise<void> = Promise.resolve();
  #replacing: Promise<void> = Promise.resolve();
  /** Of a replacement. */
  readonly #pauses: Pauses;
  #requestsTimer: ReturnType<Runtime["clock"]["setTimer"]> | undefined;
  #directoryTimer: ReturnType<Runtime["clock"]["setTimer"]> | undefined;
  #isRepairing = false;
  #isStopping = false;

  constructor(options: SpawnOptions, deps: SpawnDeps) {
    this.options = options;
    this.#deps = deps;
    this.#pauses = new Pauses(deps.runtime.clock);
    this.#kind = commandKind(options.command);
    const isTold = options.command.some((text) => text.includes(SOCKET_MARK));
    this.#inherits = !isTold && this.#kind !== "php-fpm";
  }

  /** Those that are to be there. */
  get workers(): readonly Worker[] {
    return this.#workers;
  }

  /**
   * Starts every worker and waits for none.
   *
   * @throws {SpawnError} when nothing could ever start: unknown user, no right to be it, no sockets
   */
  start(): Promise<void> {
    return this.#starting = this.#start();
  }

  async #start(): Promise<void> {
    const { runtime, observer } = this.#deps;
    this.#prepared = await this.#prepare();
    const runsAsRoot = runtime.spawner.isRoot && (this.#prepared.user?.user ?? 0) === 0;
    if (runsAsRoot) observer.onRunsAsRoot(this.options.upstream);
    const count = socketCount(this.options, this.#cpuCount);
    while (this.#workers.length < count && !this.#isStopping) {
      this.#workers.push(await this.#createWorker());
    }
    // Stopped meanwhile: what was made since is nobody's.
    if (this.#isStopping) return this.#cleanUp();
    if (this.options.maxRequests > 0 && this.#kind !== "php-fpm") this.#watchRequests();
    this.#watchDirectory();
    for (const worker of this.#workers) worker.begin();
  }

  /** One after the other; resolves when all are new, or could not be. */
  replaceWorkers(): Promise<void> {
    return this.#replaceEach(() => [...this.#workers]);
  }

  /** Tells the target again which workers listen: it has another upstream now. */
  supply(): void {
    void this.#supply();
  }

  /** Tells every worker to end, those too that are just being made; requests should be done by now. */
  async stop(): Promise<void> {
    this.#endWatch();
    const stopped = this.#stopWorkers();
    // Who started it hears why it failed.
    await this.#starting.catch(() => {});
    await this.#replacing;
    await Promise.all([stopped, this.#stopWorkers()]);
    this.#cleanUp();
  }

  async #stopWorkers(): Promise<void> {
    await Promise.all([...this.#workers, ...this.#leaving].map((worker) => worker.stop()));
  }

  /** Ends everything at once. */
  kill(): void {
    this.#endWatch();
    for (const worker of [...this.#workers, ...this.#leaving]) worker.kill();
    this.#cleanUp();
  }

  get #cpuCount(): number {
    return this.#deps.runtime.process.cpuCount;
  }

  async #prepare(): Promise<Prepared> {
    const { runtime: { spawner, files, process } } = this.#deps;
    const { command: [program = "", ...args], cwd, env, clearEnv = true } = this.options;
    const { upstream, user: name } = this.options;
    const { client } = this.#deps;
    const isMadeByUser = this.#isMadeByUser;
    const user = findWorkerUser(spawner, {
      upstream,
      name,
      kind: this.#kind,
      client,
      isMadeByUser,
    });
    const path = await findProgram(program, files, process.env("PATH"));
    return {
      user,
      command: [path, ...args],
      env: environmentFor({
        own: process.allEnv(),
        isCleared: clearEnv,
        user: user && { name: user.name, home: spawner.homeOf(user) },
        ofKind: this.#kind === "php-cgi" ? PHP_CGI_ENV : {},
        given: env,
      }),
      cwd: cwd ?? process.cwd(),
      directory: this.#createDirectory(user),
    };
  }

  /** php-fpm makes its socket before its children get their user. */
  #createDirectory(user: UserIds | undefined): SpawnDirectory {
    return this.#deps.runtime.spawner.createDirectory(this.#isMadeByUser ? user : undefined);
  }

  /** Whether its sockets are made by the worker itself. */
  get #isMadeByUser(): boolean {
    return !this.#inherits && this.#kind !== "php-fpm";
  }

  /** Whom a socket that root makes has to belong to. */
  #socketOwner(): SocketOwner | undefined {
    const { client } = this.#deps;
    return client && this.#prepared!.directory.admit(client);
  }

  async #createWorker(): Promise<Worker> {
    const { runtime, observer } = this.#deps;
    const { directory } = this.#prepared!;
    const number = this.#takeNumber();
    const address = workerSocket(directory.path, number);
    const { path } = address;
    const socket = this.#inherits
      ? await runtime.spawner.listen(path, BACKLOG, this.#socketOwner())
      : undefined;
    const configName = `${number}.conf`;
    const worker: Worker = new Worker({
      runtime,
      options: this.options,
      address,
      inherits: this.#inherits,
      stopSignal: this.#kind === "php-fpm" ? "SIGQUIT" : "SIGTERM",
      requestsBegun: () => this.#deps.target.requestsBegun(address),
      start: () => this.#startProcess(this.#commandFor(configName, path), socket),
      onState: () => {
        observer.onState(this.options.upstream, worker);
        this.#supply();
      },
      onEnded: (_, reason, restartMs, isGood) => {
        observer.onEnded(this.options.upstream, worker, reason, restartMs, isGood);
        if (!isGood) this.#checkDirectory();
      },
    });
    if (socket !== undefined) this.#sockets.set(worker, socket);
    return worker;
  }

  #takeNumber(): number {
    const workers = [...this.#workers, ...this.#leaving];
    const used = new Set(workers.map(({ address }) => socketNumber(address)));
    const count = socketCount(this.options, this.#cpuCount);
    return this.#lastNumber = nextSocketNumber(this.#lastNumber, count, used);
  }

  /** php-fpm's configuration is written anew: whoever cleans up has not kept it. */
  #commandFor(configName: string, path: string): readonly string[] {
    const { command, directory, user } = this.#prepared!;
    if (this.#kind !== "php-fpm") return command.map((text) => text.replaceAll(SOCKET_MARK, path));
    directory.forget(configName);
    const file = directory.write(
      configName,
      fpmConfig({
        socket: path,
        children: workerCount(this.options, this.#cpuCount),
        maxRequests: this.options.maxRequests,
        user,
        socketOwner: this.#socketOwner(),
      }),
    );
    return [...command, ...fpmArguments(file)];
  }

  async #startProcess(
    command: readonly string[],
    input: ListeningSocket | undefined,
  ): Promise<SpawnedProcess> {
    const { runtime, observer } = this.#deps;
    const { user, env, cwd } = this.#prepared!;
    const lines = new OutputLines(this.options.upstream, observer);
    const process = await runtime.spawner.start({
      command,
      cwd,
      env,
      // php-fpm gives its children their user itself.
      user: this.#kind === "php-fpm" ? undefined : user,
      input,
      onOutput: (source, bytes) => lines.push(source, bytes),
      onOutputEnd: (source) => lines.end(source),
    });
    lines.pid = process.pid;
    return process;
  }

  #supply(): Promise<void> {
    const listening = this.#workers.filter(({ state }) => state === "listening");
    return this.#deps.target.useServers(listening.map(({ address }) => address));
  }

  #replaceEach(which: () => readonly Worker[]): Promise<void> {
    return this.#replacing = this.#replacing.then(async () => {
      for (const worker of which()) {
        if (this.#isStopping) return;
        try {
          await this.#replace(worker);
        } catch (error) {
          reportIfOurs(error, "replacing a worker");
          // Its directory has gone, for example.
          if (this.#isStopping) return;
          this.#deps.observer.onNotReplaced(this.options.upstream, worker, errorText(error));
        }
      }
    });
  }

  async #replace(old: Worker): Promise<void> {
    const { observer, drainMs } = this.#deps;
    const fresh = await this.#createWorker();
    if (this.#isStopping) return this.#closeSocket(fresh);
    this.#leaving.add(fresh);
    fresh.begin();
    while (fresh.state === "starting" && !this.#isStopping) {
      await this.#pauses.pause(REPLACE_POLL_MS);
    }
    await this.#pauses.pause(SETTLE_MS);
    // Both are stopped with all the others.
    if (this.#isStopping) return;
    this.#leaving.delete(fresh);
    const index = this.#workers.indexOf(old);
    const isGood = fresh.state === "listening" && fresh.restarts === 0 && index >= 0;
    const leaving = isGood ? old : fresh;
    this.#leaving.add(leaving);
    if (isGood) {
      this.#workers[index] = fresh;
      await this.#pauses.within(this.#supply(), drainMs);
    } else {
      observer.onNotReplaced(this.options.upstream, old, "the new worker did not stay up");
    }
    await leaving.stop();
    this.#leaving.delete(leaving);
    this.#closeSocket(leaving);
  }

  #closeSocket(worker: Worker): void {
    this.#sockets.get(worker)?.close();
    this.#sockets.delete(worker);
  }

  #watchRequests(): void {
    const { runtime: { clock } } = this.#deps;
    const { maxRequests } = this.options;
    const look = (): void => {
      const isUsedUp = ({ requestsBegun }: Worker) => requestsBegun >= maxRequests;
      const next = () => (this.#isStopping ? undefined : clock.setTimer(look, REQUESTS_POLL_MS));
      void this.#replaceEach(() => this.#workers.filter(isUsedUp)).then(() => {
        this.#requestsTimer = next();
      });
    };
    this.#requestsTimer = clock.setTimer(look, REQUESTS_POLL_MS);
  }

  #watchDirectory(): void {
    const { clock } = this.#deps.runtime;
    this.#directoryTimer = clock.setTimer(() => {
      this.#checkDirectory();
      this.#watchDirectory();
    }, DIRECTORY_POLL_MS);
  }

  /** Who cleans up temporary files may take sockets away: those workers get successors elsewhere. */
  #checkDirectory(): void {
    const { directory } = this.#prepared!;
    if (this.#isStopping || this.#isRepairing) return;
    const isIntact = directory.isIntact();
    const lost = this.#workers.filter(({ address, state }) =>
      !isIntact || (state === "listening" && !directory.holds(address.path))
    );
    if (lost.length === 0) return;
    this.#deps.observer.onSocketsLost(this.options.upstream, directory.path);
    if (!isIntact && !this.#moveDirectory()) return;
    this.#isRepairing = true;
    void this.#replaceEach(() => this.#workers.filter((worker) => lost.includes(worker)))
      .then(() => this.#isRepairing = false);
  }

  /** Another directory takes the place; false where none can be made now: the next look tries again. */
  #moveDirectory(): boolean {
    const prepared = this.#prepared!;
    try {
      const directory = this.#createDirectory(prepared.user);
      this.#formerDirectories.add(prepared.directory);
      prepared.directory = directory;
      return true;
    } catch (error) {
      reportIfOurs(error, "making a directory for sockets");
      this.#deps.observer.onDirectoryFailed(this.options.upstream, errorText(error));
      return false;
    }
  }

  #endWatch(): void {
    this.#isStopping = true;
    const { clock } = this.#deps.runtime;
    for (const timer of [this.#requestsTimer, this.#directoryTimer]) {
      if (timer !== undefined) clock.clearTimer(timer);
    }
    this.#pauses.endAll();
  }

  #cleanUp(): void {
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
    for (const directory of this.#formerDirectories) directory.remove();
    this.#prepared?.directory.remove();
  }
}

const PHP_CGI_ENV = { PHP_FCGI_MAX_REQUESTS: "0" } as const;

/** From one look whether a new worker listens to the next. */
export const REPLACE_POLL_MS = 25;
