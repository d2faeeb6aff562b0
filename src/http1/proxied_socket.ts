/**
 * A socket behind a proxy that says first who its client is (PROXY protocol): the header is read, and
 * what follows is the client's. Who is not named as a proxy, says something else first, or takes too
 * long, is cut without a word.
 */
import type { AcceptedSocket, SocketEvents } from "../runtime/callback_socket.ts";
import type { Clock, TimerId } from "../runtime/clock.ts";
import type { OpenFile } from "../runtime/open_file.ts";
import { readProxyHeader } from "../runtime/proxy_header.ts";

export interface ProxiedOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Takes the socket as the client's. */
  readonly open: (socket: AcceptedSocket) => SocketEvents;
  readonly onRefused: (host: string, why: string) => void;
  /** It has ended before there was a client. */
  readonly onGone: (gate: ProxiedConnection) => void;
}

/** The same socket under its client's address. */
class ProxiedSocket implements AcceptedSocket {
  readonly host: string;
  readonly port: number;
  readonly #socket: AcceptedSocket;

  constructor(socket: AcceptedSocket, { host, port }: Pick<AcceptedSocket, "host" | "port">) {
    this.#socket = socket;
    this.host = host;
    this.port = port;
  }

  get isBroken(): boolean {
    return this.#socket.isBroken;
  }

  get unsentLength(): number {
    return this.#socket.unsentLength;
  }

  write(bytes: Uint8Array): boolean {
    return this.#socket.write(bytes);
  }

  writeLent(bytes: Uint8Array, length: number): boolean {
    return this.#socket.writeLent(bytes, length);
  }

  writeAhead(bytes: Uint8Array, length: number): boolean {
    return this.#socket.writeAhead(bytes, length);
  }

  transfer(file: OpenFile, offset: number, length: number): number {
    return this.#socket.transfer(file, offset, length);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  reset(): void {
    this.#socket.reset();
  }

  handOver(events: SocketEvents): void {
    this.#socket.handOver(events);
  }
}

export class ProxiedConnection implements SocketEvents {
  readonly #socket: AcceptedSocket;
  readonly #options: ProxiedOptions;
  #timer: TimerId | undefined;
  #gathered = new Uint8Array(0);
  /** Once the client is known. */
  #client: SocketEvents | undefined;
  #isOver = false;

  constructor(socket: AcceptedSocket, options: ProxiedOptions) {
    this.#socket = socket;
    this.#options = options;
    const { clock, timeoutMs } = options;
    this.#timer = clock.setTimer(() => this.#refuse("It did not come in time"), timeoutMs);
  }

  received(bytes: Uint8Array): void {
    if (this.#client !== undefined) return this.#client.received(bytes);
    if (this.#isOver) return;
    const gathered = new Uint8Array(this.#gathered.length + bytes.length);
    gathered.set(this.#gathered);
    gathered.set(bytes, this.#gathered.length);
    this.#gathered = gathered;
    const header = readProxyHeader(gathered);
    if (header === null) return this.#refuse("What came is no PROXY header");
    if (header === undefined) return;
    this.#stopTimer();
    const { length, client } = header;
    const socket = client === undefined ? this.#socket : new ProxiedSocket(this.#socket, client);
    this.#client = this.#options.open(socket);
    this.#options.onGone(this);
    if (length < gathered.length) this.#client.received(gathered.subarray(length));
  }

  drained(): void {
    this.#client?.drained();
  }

  peerEnded(): void {
    if (this.#client !== undefined) this.#client.peerEnded();
    else this.destroy();
  }

  closed(error?: Error): void {
    if (this.#client !== undefined) return this.#client.closed(error);
    this.#over();
  }

  /** Cuts it where there is no client yet. */
  destroy(): void {
    if (this.#client !== undefined || this.#isOver) return;
    this.#over();
    this.#socket.destroy();
  }

  #refuse(why: string): void {
    this.#options.onRefused(this.#socket.host, why);
    this.#over();
    this.#socket.reset();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopTimer();
    this.#options.onGone(this);
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }
}
