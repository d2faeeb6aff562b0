/**
 * Other programs that afcgi starts: how they get their listening socket, what they say, how they end.
 * Each is the leader of a process group of its own, so a Ctrl-C at the terminal is ours alone, and
 * what it leaves behind can be found. One interface; `node_spawner.ts` is both runtimes' adapter,
 * `tests/support/memory/` has the one for tests.
 */

/** Whom a program runs as. */
export interface UserIds {
  readonly name: string;
  readonly user: number;
  readonly group: number;
}

/** A unix socket that listens, and on which we ourselves never accept. */
export interface ListeningSocket {
  readonly descriptor: number;
  /** Also removes its file. */
  close(): void;
}

/** A directory whose names nobody else can see or change. */
export interface SpawnDirectory {
  /** Where sockets are; belongs to the user that makes them. */
  readonly path: string;
  /** Whether it is still there: those who clean up temporary files know no better. */
  isIntact(): boolean;
  /** Whether the socket is still there. */
  holds(path: string): boolean;
  /**
   * Writes a file that only we may read; nothing may be there yet, not even a symlink. Its path.
   *
   * @throws with the operating system's reason
   */
  write(name: string, text: string): string;
  /** Removes what was written under this name, if anything. */
  forget(name: string): void;
  /** Lets another user reach the sockets whose names he knows. */
  admit(user: UserIds): SocketOwner;
  remove(): void;
}

/** Whom a socket's file belongs to, and so who may connect. */
export interface SocketOwner {
  readonly user: number;
  readonly group: number;
}

export type StopSignal = "SIGTERM" | "SIGQUIT" | "SIGKILL";

export interface StartOptions {
  /** The program, and its arguments. */
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly user: UserIds | undefined;
  /** Its descriptor 0 (FCGI_LISTENSOCK_FILENO); undefined: nothing to read. */
  readonly input: ListeningSocket | undefined;
  /** What it writes, in the pieces in which it arrives. */
  readonly onOutput: (source: OutputSource, bytes: Uint8Array) => void;
  /** Nothing more comes from there: whoever could write to it has ended, or has closed it. */
  readonly onOutputEnd?: (source: OutputSource) => void;
}

export type OutputSource = "stdout" | "stderr";

/** How a program ended: with a status, or by a signal. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface SpawnedProcess {
  readonly pid: number;
  /** Never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** Tells the program; nothing happens once it has ended. */
  signal(signal: StopSignal): void;
  /** SIGKILL for all that is left of its group, also after its own end. */
  killGroup(): void;
}

/** The process that is to take our place, started as we were. */
export interface Successor {
  readonly pid: number;
  /** Resolves to whether it said that it serves: false when it ended, or said nothing in time. */
  readonly ready: Promise<boolean>;
  /** Ends it at once. */
  kill(): void;
  /** It goes on without us. */
  release(): void;
}

export interface SuccessorOptions {
  /** Variables beside our own; undefined takes one away. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Become its descriptors from 3 on. */
  readonly descriptors: readonly number[];
  /** The variable that names the descriptor on which it says that it serves. */
  readonly readyVariable: string;
}

/** The first descriptor of a program that is not a standard stream. */
export const FIRST_FREE_DESCRIPTOR = 3;

/** What is to be started cannot be: no such program, user or directory, or no right to it. */
export class SpawnError extends Error {
  override readonly name = "SpawnError";
}

export interface Spawner {
  /** Whether programs may run as another user than we do. */
  readonly isRoot: boolean;
  /**
   * Becomes this user for good, in every thread. Nothing happens where we are him.
   *
   * @throws {SpawnError} when any part of it fails: then nothing may go on
   */
  become(user: UserIds): Promise<void>;
  /** What we start from now on gains no rights by its file (setuid). */
  forbidNewPrivileges(): Promise<void>;
  /** Whether we are this user already. */
  isSelf(user: UserIds): boolean;
  /** By name or number; undefined where the system does not know it. */
  findUser(name: string): UserIds | undefined;
  /** A group's number, by name or number; undefined where the system does not know it. */
  findGroup(name: string): number | undefined;
  /** The directory that a user calls his own. */
  homeOf(user: UserIds): string;
  /** What the path of a private directory is, with a star for what its creation makes up. */
  readonly directoryPattern: string;
  /**
   * In the system's directory for temporary files. `owner`: who makes sockets in it, if it is not
   * us.
   *
   * @throws {SpawnError} where others could change what we write
   */
  createDirectory(owner: UserIds | undefined): SpawnDirectory;
  /** Removes the directories that processes of ours left behind when they were killed. */
  removeLeftDirectories(): Promise<void>;
  /** In a private directory. `owner`: who may connect, if it is not us. @throws {SpawnError} */
  listen(path: string, backlog: number, owner?: SocketOwner): Promise<ListeningSocket>;
  /** @throws {SpawnError} */
  start(options: StartOptions): Promise<SpawnedProcess>;
  /**
   * Starts the executable at the path at which we were started, with our arguments. It shares our
   * standard streams and may outlive us.
   *
   * @throws {SpawnError}
   */
  startSuccessor(options: SuccessorOptions): Promise<Successor>;
  /** Says on a descriptor that we serve, and closes it; nothing happens when nobody listens. */
  sayReady(descriptor: number): void;
  /**
   * As process 1 we inherit children whose parents have ended. From now on those that end are waited
   * for, so that none stays a zombie; elsewhere nothing happens. No runtime does that by itself.
   */
  reapOrphans(): Promise<void>;
}
