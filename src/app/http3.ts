/**
 * HTTP/3 beside the listeners that ask for it, over all configurations: opens the runtime's server
 * with the certificates that there are, and again when they have changed. A port that two
 * configurations name keeps its server; which of them handles its requests changes at the commit.
 */
import type { Logger } from "../observe/logger.ts";
import { formatAddress } from "../runtime/address.ts";
import type { Identify } from "../runtime/callback_socket.ts";
import type { Clock, TimerId } from "../runtime/clock.ts";
import type { Http3Listener, Http3ListenOptions, NamedIdentity } from "../runtime/http3.ts";
import { ListenError } from "../runtime/network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { errorText } from "../upstream/errors.ts";
import type { AppOptions } from "./options.ts";

/** How often certificates are looked at. */
export const HTTP3_CHECK_INTERVAL_MS = 60_000;

export interface Http3Deps {
  readonly runtime: Pick<Runtime, "clock" | "listenHttp3" | "name" | "version">;
  readonly logger: Logger;
}

/** What a configuration wants on one port. */
export interface Http3Place extends Pick<Http3ListenOptions, "address" | "idleMs" | "handler"> {
  /** Names that clients may ask for; "" for none. */
  readonly names: readonly string[];
  readonly identify: Identify;
}

export interface Http3Plan {
  /** Resolves when those that go have ended. */
  commit(): Promise<void>;
  discard(): void;
}

/** Why a configuration with `http3` cannot run here; undefined where it can. */
export function missingHttp3(
  { listenHttp3, name, version }: Http3Deps["runtime"],
  { listen }: Pick<AppOptions, "listen">,
): string | undefined {
  const asking = listen.find(({ http3 }) => http3);
  if (asking === undefined || listenHttp3 !== undefined) return undefined;
  const place = asking.address.transport === "tcp" ? ` on ${formatAddress(asking.address)}` : "";
  return `Cannot serve HTTP/3${place}: ${name} ${version} has none ` +
    '(leave "http3" out, or use the executable)';
}

export class Http3Listeners {
  readonly #deps: Http3Deps;
  #open: ReadonlyMap<number, OneListener> = new Map();

  constructor(deps: Http3Deps) {
    this.#deps = deps;
  }

  /** Opens what is new. @throws {ListenError} */
  async prepare(places: readonly Http3Place[]): Promise<Http3Plan> {
    const fresh: OneListener[] = [];
    const next = new Map<number, OneListener>();
    const discard = () => {
      for (const one of fresh) one.destroy();
    };
    try {
      for (const place of places) {
        const { port } = place.address;
        const known = this.#open.get(port);
        next.set(port, known ?? new OneListener(this.#deps, place));
        if (known !== undefined) continue;
        fresh.push(next.get(port)!);
        await next.get(port)!.check();
      }
    } catch (error) {
      discard();
      throw error;
    }
    return { commit: () => this.#use(next, places), discard };
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#open.values()].map((one) => one.stop()));
  }

  destroy(): void {
    for (const one of this.#open.values()) one.destroy();
  }

  async #use(next: ReadonlyMap<number, OneListener>, places: readonly Http3Place[]): Promise<void> {
    const gone = [...this.#open].filter(([port]) => !next.has(port));
    for (const place of places) next.get(place.address.port)!.configure(place);
    this.#open = next;
    await Promise.all(gone.map(([, one]) => one.stop()));
  }
}

class OneListener {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #listen: (options: Http3ListenOptions) => Http3Listener;
  #place: Http3Place;
  #listener: Http3Listener | undefined;
  #identities: readonly NamedIdentity[] = [];
  #timer: TimerId | undefined;
  #isOver = false;

  /** @throws {ListenError} */
  constructor({ runtime, logger }: Http3Deps, place: Http3Place) {
    if (runtime.listenHttp3 === undefined) {
      throw new ListenError(`Cannot serve HTTP/3: ${runtime.name} ${runtime.version} has none`);
    }
    this.#listen = runtime.listenHttp3;
    this.#clock = runtime.clock;
    this.#logger = logger;
    this.#place = place;
  }

  /** From now on another configuration's. */
  configure(place: Http3Place): void {
    if (place === this.#place) return;
    this.#place = place;
    void this.#look();
  }

  /** Opens what there are certificates for. @throws {ListenError} */
  async check(): Promise<void> {
    this.#timer = this.#clock.setTimer(() => void this.#look(), HTTP3_CHECK_INTERVAL_MS);
    const place = this.#place;
    const identities = await identitiesOf(place);
    const isStale = this.#isOver || place !== this.#place;
    if (isStale || identities.length === 0 || isSame(identities, this.#identities)) return;
    const { address, idleMs } = place;
    const listener = this.#listen({
      address,
      identities,
      idleMs,
      handler: (request, peer) => this.#place.handler(request, peer),
    });
    // Those that it serves end well; who comes new has the new certificate.
    void this.#listener?.stop();
    this.#listener = listener;
    this.#identities = identities;
    this.#logger.info("listening for HTTP/3", { port: address.port });
  }

  /** Again; the one before stays where that goes wrong. */
  async #look(): Promise<void> {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    if (this.#isOver) return;
    await this.check().catch((error: unknown) => {
      this.#logger.error(errorText(error), { code: "http3_failed" });
    });
  }

  async stop(): Promise<void> {
    this.#end();
    await this.#listener?.stop();
  }

  destroy(): void {
    this.#end();
    this.#listener?.destroy();
  }

  #end(): void {
    this.#isOver = true;
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
  }
}

/** What a client of QUIC says of itself: each speaks TLS 1.3, and verifies what is usual. */
const HELLO = {
  protocols: ["h3"],
  // ecdsa_secp256r1_sha256, ecdsa_secp384r1_sha384, rsa_pss_rsae_sha256, ed25519.
  signatureSchemes: [0x0403, 0x0503, 0x0804, 0x0807],
  cipherSuites: [0x1301, 0x1302, 0x1303],
  speaks13: true,
} as const;

/** The certificates that there are, for each name. */
async function identitiesOf(
  { address, names, identify }: Http3Place,
): Promise<readonly NamedIdentity[]> {
  const found: NamedIdentity[] = [];
  for (const serverName of names) {
    // Of a wildcard any name will do.
    const asked = serverName.replace(/^\*/, "a");
    // As over TCP, who asks for no name has connected to this address; where we listen at all of them
    // nobody knows to which.
    const hello = { ...HELLO, serverName: asked };
    const identity = await Promise.resolve(identify(asked, hello, address.host))
      .catch(() => undefined);
    if (identity === undefined) continue;
    const { cert, key } = identity;
    found.push({ cert, key, serverName });
  }
  return found;
}

function isSame(one: readonly NamedIdentity[], other: readonly NamedIdentity[]): boolean {
  return one.length === other.length &&
    one.every(({ serverName, cert }, index) =>
      serverName === other[index]!.serverName && cert === other[index]!.cert
    );
}
