/** Programs in memory for tests: a start is noted, and the test says what the program does. */
import {
  type ListeningSocket,
  type ProcessEnd,
  type SpawnDirectory,
  type SpawnedProcess,
  type Spawner,
  SpawnError,
  type StartOptions,
  type StopSignal,
  type Successor,
  type SuccessorOptions,
  type UserIds,
} from "../../../src/runtime/spawner.ts";

/** A program that a test plays. */
export class MemoryChild implements SpawnedProcess {
  readonly pid: number;
  readonly options: StartOptions;
  readonly ended: Promise<ProcessEnd>;
  readonly signals: StopSignal[] = [];
  isGroupKilled = false;
  /** Whether it ends when it is told to, as most do. */
  obeys = true;
  readonly #end: (end: ProcessEnd) => void;
  #hasEnded = false;

  constructor(pid: number, options: StartOptions) {
    this.pid = pid;
    this.options = options;
    const { promise, resolve } = Promise.withResolvers<ProcessEnd>();
    this.ended = promise;
    this.#end = resolve;
  }

  signal(signal: StopSignal): void {
    this.signals.push(signal);
    if (this.obeys || signal === "SIGKILL") this.end({ code: null, signal });
  }

  killGroup(): void {
    this.isGroupKilled = true;
    this.end({ code: null, signal: "SIGKILL" });
  }

  /** Once: a program ends, and with it what it writes. */
  end(end: ProcessEnd): void {
    this.#end(end);
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    for (const source of ["stdout", "stderr"] as const) this.options.onOutputEnd?.(source);
  }
}

/** Starts nothing. */
export class MemorySpawner implements Spawner {
  readonly isRoot: boolean = false;
  readonly directoryPattern = "/tmp/afcgi-spawn-*";
  /** Whom we have become. */
  self: UserIds | undefined;
  readonly users = new Map<string, UserIds>();
  readonly groups = new Map<string, number>();
  /** Every program started, in order. */
  readonly children: MemoryChild[] = [];
  /** Files of private directories, by path. */
  readonly files = new Map<string, string>();
  /** Paths that listen. */
  readonly sockets = new Set<string>();
  /** Programs that are not there. */
  readonly missing = new Set<string>();
  /** Directories that somebody has cleaned away. */
  readonly lost = new Set<string>();
  /** Directories that were made and not removed. */
  readonly directories = new Set<string>();
  #directories = 0;

  findUser(name: string): UserIds | undefined {
    return this.users.get(name);
  }

  findGroup(name: string): number | undefined {
    return this.groups.get(name);
  }

  async become(user: UserIds): Promise<void> {
    this.self = user;
  }

  async forbidNewPrivileges(): Promise<void> {}

  isSelf({ user }: UserIds): boolean {
    return this.self?.user === user;
  }

  homeOf({ name }: UserIds): string {
    return `/home/${name}`;
  }

  createDirectory(): SpawnDirectory {
    const path = `/tmp/afcgi-${++this.#directories}`;
    this.directories.add(path);
    return {
      path,
      isIntact: () => !this.lost.has(path),
      holds: (socket) =>
        ![...this.lost].some((gone) => socket === gone || socket.startsWith(`${gone}/`)),
      write: (name, text) => {
        if (this.lost.has(path)) throw new SpawnError(`There is no directory "${path}"`);
        if (this.files.has(`${path}/${name}`)) throw new SpawnError(`There is a "${name}" already`);
        this.files.set(`${path}/${name}`, text);
        return `${path}/${name}`;
      },
      forget: (name) => void this.files.delete(`${path}/${name}`),
      admit: ({ user, group }) => ({ user, group }),
      remove: () => {
        this.directories.delete(path);
        for (const file of this.files.keys()) {
          if (file.startsWith(`${path}/`)) this.files.delete(file);
        }
      },
    };
  }

  async listen(path: string): Promise<ListeningSocket> {
    this.sockets.add(path);
    return { descriptor: 100 + this.sockets.size, close: () => void this.sockets.delete(path) };
  }

  async start(options: StartOptions): Promise<SpawnedProcess> {
    const program = options.command[0] ?? "";
    if (this.missing.has(program)) {
      throw new SpawnError(`Cannot start "${program}": there is no such program`);
    }
    const child = new MemoryChild(1000 + this.children.length, options);
    this.children.push(child);
    return child;
  }

  /** What successors were started with; none of them ever is. */
  readonly successors: SuccessorOptions[] = [];

  startSuccessor(options: SuccessorOptions): Promise<Successor> {
    this.successors.push(options);
    return Promise.reject(new SpawnError("Cannot start anything in memory"));
  }

  sayReady(): void {}

  async removeLeftDirectories(): Promise<void> {}

  async reapOrphans(): Promise<void> {}
}
