/** A case: what is compared, in one table or several. */
import type { PeerName } from "../../tests/support/peers.ts";
import type { Comparison } from "../comparison.ts";
import type { Contender } from "../contenders/contender.ts";
import type { Scope } from "../scope.ts";

/** What a case gets to work with. */
export interface Bench {
  /** Ends with the table. */
  readonly scope: Scope;
  /** Those that take part in this run. */
  readonly contenders: readonly Contender[];
}

export interface TablePlan {
  readonly title: string;
  /** Starts what the table needs. */
  prepare(bench: Bench): Promise<Comparison>;
}

export interface BenchCase {
  readonly name: string;
  /** What it needs beside its contenders. */
  readonly peers: readonly PeerName[];
  /** `clients` is what the user asked for instead of the case's own. */
  tables(clients: readonly number[] | undefined): readonly TablePlan[];
}

/** The rows' names of those that bounds speak of. */
export const NGINX = "nginx";
export const HAPROXY = "HAProxy";
export const AFCGI = "afcgi";
export const DENO = "afcgi on Deno";
export const FLOOR = "floor of Bun";
