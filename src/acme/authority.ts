/** One authority, as those want it who need certificates: our account there, orders, its advice. */
import type { CertificateStore } from "../certificates/store.ts";
import type { Clock } from "../runtime/clock.ts";
import type { TlsFiles } from "../runtime/connection.ts";
import { type Account, Accounts } from "./account.ts";
import type { Challenges } from "./challenges.ts";
import { AcmeClient, type AcmeClientDeps } from "./client.ts";
import { readRenewalWindow, type RenewalWindow } from "./messages.ts";
import type { AcmeOptions } from "./options.ts";
import { type OrderRequest, placeOrder } from "./order.ts";
import { adviceAgeMs } from "./schedule.ts";

export interface AuthorityDeps extends AcmeClientDeps {
  readonly store: CertificateStore;
  readonly challenges: Challenges;
  readonly clock: Clock;
}

/** When an authority would like a certificate to be renewed. */
export interface RenewalAdvice {
  /** Undefined: it does not say. */
  readonly window: RenewalWindow | undefined;
  /** How long that is good. */
  readonly ageMs: number;
}

export class Authority {
  /** Its host, as logs name it. */
  readonly name: string;
  readonly #client: AcmeClient;
  readonly #accounts: Accounts;
  readonly #deps: AuthorityDeps;

  constructor(directory: string, options: Pick<AcmeOptions, "email" | "eab">, deps: AuthorityDeps) {
    this.name = new URL(directory).host;
    this.#client = new AcmeClient(directory, deps);
    this.#accounts = new Accounts(deps.store, this.#client, options);
    this.#deps = deps;
  }

  /** The chain and its key. @throws {AcmeError} */
  async order(request: OrderRequest, signal: AbortSignal): Promise<TlsFiles> {
    const account = await this.#accounts.get(signal);
    try {
      return await this.#place(request, account, signal);
    } catch (error) {
      if (!await this.#accounts.forgetIfGone(account, error, signal)) throw error;
      return await this.#place(request, await this.#accounts.get(signal), signal);
    }
  }

  /** By the certificate's id; undefined where the authority gives no advice. @throws {AcmeError} */
  async renewalAdvice(id: string): Promise<RenewalAdvice | undefined> {
    const { renewalInfo } = await this.#client.directory();
    if (renewalInfo === undefined) return undefined;
    const url = `${renewalInfo.replace(/\/$/, "")}/${id}`;
    const { status, json, retryAfterMs } = await this.#client.get(url, "ask for a renewal time");
    const window = status === 200 ? readRenewalWindow(json) : undefined;
    return { window, ageMs: adviceAgeMs(retryAfterMs) };
  }

  #place(request: OrderRequest, account: Account, signal: AbortSignal): Promise<TlsFiles> {
    const { challenges, clock } = this.#deps;
    return placeOrder(request, { client: this.#client, account, challenges, clock, signal });
  }
}
