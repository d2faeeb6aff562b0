/**
 * How many of an upstream's requests want to leave HTTP, or have left it (status 101). They are not
 * bounded by `connections.max`, because each belongs to one client for as long as that likes, so they
 * have a bound of their own.
 */
import { UpstreamError } from "./errors.ts";
import type { UpstreamOptions } from "./options.ts";
import { Payload } from "./request_body.ts";
import type { UpstreamShare } from "./upstream_share.ts";

export class Tunnels {
  readonly #options: UpstreamOptions;
  readonly #share: Pick<UpstreamShare, "enterTunnel" | "leaveTunnel"> | undefined;
  #open = 0;

  /** With `share`, those of other threads count. */
  constructor(options: UpstreamOptions, share?: UpstreamShare) {
    this.#options = options;
    this.#share = share;
  }

  get open(): number {
    return this.#open;
  }

  /** Counts one more until its payload is closed. @throws {UpstreamError} `tunnels_full` */
  begin(): Payload {
    const { name, tunnels: { max } } = this.#options;
    const isFull = this.#share === undefined ? this.#open >= max : !this.#share.enterTunnel(max);
    if (isFull) {
      const message = `Upstream "${name}" has ${max} tunnels already`;
      throw new UpstreamError("tunnels_full", message, { phase: "queue" });
    }
    this.#open++;
    return new TunnelPayload(() => {
      this.#open--;
      this.#share?.leaveTunnel();
    });
  }
}

/** A request that begins a tunnel has no body before that. */
class TunnelPayload extends Payload {
  #onClose: (() => void) | undefined;

  constructor(onClose: () => void) {
    super(undefined, undefined);
    this.#onClose = onClose;
  }

  override close(): void {
    this.#onClose?.();
    this.#onClose = undefined;
  }
}
