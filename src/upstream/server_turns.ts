/**
 * What a server is owed of turns among the others (`balancer.ts`): it grows by the server's share of
 * every request that it could have got, and falls when it gets one. With threads it is the same number
 * for all of them (`shared_upstream.ts`), else each would begin with the same server.
 *
 * It is counted in whole parts of a request: what one gets the others have lost, to the part, so no
 * number goes away from the others however long it runs, and 32 bits are enough.
 */

/** Parts of a request. */
export const TURN_PARTS = 2 ** 20;

export interface ServerTurns {
  /** Below 0 where it has had more than its share. */
  readonly owed: number;
  owe(parts: number): void;
  /** The server gets no requests: what it was owed is forgotten. */
  forget(): void;
}

/** Those of one thread. */
export class OwnTurns implements ServerTurns {
  owed = 0;

  owe(parts: number): void {
    this.owed += parts;
  }

  forget(): void {
    this.owed = 0;
  }
}
