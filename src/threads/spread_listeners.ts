/**
 * Listeners whose clients threads serve: this thread accepts, and gives each away by its descriptor.
 * A listener accepts nothing while one thread has a reason for that. Which certificate a handshake in
 * a thread gets is asked of the listener here.
 */
import { type Address, formatAddress } from "../runtime/address.ts";
import type { Identify, SocketListenOptions } from "../runtime/callback_socket.ts";
import type { TlsIdentity } from "../runtime/connection.ts";
import type { ByteListener, PauseReason } from "../runtime/listener.ts";
import { ListenError } from "../runtime/network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { FromThread, IdentityMessage } from "./messages.ts";
import type { Connection } from "./placement.ts";
import { MAIN_THREAD } from "./shared_process.ts";

/** By which main thread and threads know a listener: with and without TLS there may be two of a socket. */
export function listenerKey(address: Address, isTls: boolean): string {
  return `${formatAddress(address)}${isTls ? " tls" : ""}`;
}

interface Spread {
  readonly listener: ByteListener;
  identify: Identify | undefined;
  /** Which threads have said why it should accept nothing. */
  readonly pauses: Map<PauseReason, Set<number>>;
}

type Said<Kind extends FromThread["kind"]> = Extract<FromThread, { readonly kind: Kind }>;
type Pause = Extract<FromThread, { readonly reason: PauseReason; readonly listener: string }>;

export class SpreadListeners {
  readonly #runtime: Pick<Runtime, "acceptDescriptors">;
  readonly #place: (connection: Connection) => void;
  readonly #spread = new Map<string, Spread>();
  readonly #identityNumbers = new WeakMap<TlsIdentity, number>();
  #lastIdentity = 0;

  /** @param place is given each client */
  constructor(
    runtime: Pick<Runtime, "acceptDescriptors">,
    place: (connection: Connection) => void,
  ) {
    this.#runtime = runtime;
    this.#place = place;
  }

  /** @throws {ListenError} */
  async listen(options: SocketListenOptions): Promise<ByteListener> {
    const { tls, address: { transport } } = options;
    if (tls !== undefined && transport !== "tcp") {
      const name = formatAddress(options.address);
      throw new ListenError(`Cannot listen with TLS on ${name}: use TCP`);
    }
    let key = "";
    const listener = await this.#runtime.acceptDescriptors!(
      options,
      (descriptor) => this.#place({ listener: key, descriptor }),
    );
    key = listenerKey(listener.address, tls !== undefined);
    const spread: Spread = { listener, identify: tls?.identify, pauses: new Map() };
    this.#spread.set(key, spread);
    return {
      address: listener.address,
      get descriptor() {
        return listener.descriptor;
      },
      ...(listener.duplicate && { duplicate: () => listener.duplicate!() }),
      ...(listener.keepFile && { keepFile: () => listener.keepFile!() }),
      pause: (reason) => pauseFor(spread, MAIN_THREAD, reason),
      resume: (reason) => resumeFor(spread, MAIN_THREAD, reason),
      configureTls: (changes) => {
        spread.identify = changes.identify ?? spread.identify;
      },
      close: () => {
        if (this.#spread.get(key) === spread) this.#spread.delete(key);
        listener.close();
      },
    };
  }

  /** A thread has a reason to accept nothing, or has it no longer. */
  hear(thread: number, { kind, listener, reason }: Pause): void {
    const spread = this.#spread.get(listener);
    if (spread === undefined) return;
    if (kind === "pause") pauseFor(spread, thread, reason);
    else resumeFor(spread, thread, reason);
  }

  /** The thread is dead: what it held up goes on. */
  release(thread: number): void {
    for (const spread of this.#spread.values()) {
      for (const reason of spread.pauses.keys()) resumeFor(spread, thread, reason);
    }
  }

  /** What a handshake in a thread gets. */
  async identify(
    { id, listener, serverName, hello, localHost }: Said<"identify">,
  ): Promise<IdentityMessage> {
    const kind = "identity";
    try {
      const identity = await this.#spread.get(listener)?.identify?.(serverName, hello, localHost);
      const number = identity === undefined ? 0 : this.#numberOf(identity);
      return { kind, id, number, identity, error: undefined };
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      return { kind, id, number: 0, identity: undefined, error: text };
    }
  }

  #numberOf(identity: TlsIdentity): number {
    const known = this.#identityNumbers.get(identity);
    if (known !== undefined) return known;
    this.#identityNumbers.set(identity, ++this.#lastIdentity);
    return this.#lastIdentity;
  }
}

function pauseFor({ listener, pauses }: Spread, thread: number, reason: PauseReason): void {
  const threads = pauses.get(reason) ?? new Set();
  threads.add(thread);
  pauses.set(reason, threads);
  listener.pause?.(reason);
}

function resumeFor({ listener, pauses }: Spread, thread: number, reason: PauseReason): void {
  const threads = pauses.get(reason);
  if (threads?.delete(thread) && threads.size === 0) listener.resume?.(reason);
}
