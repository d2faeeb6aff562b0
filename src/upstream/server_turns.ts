/**
 * What a server is owed of turns among the others (`balancer.ts`): it grows by the server's weight with
 * every request that it is offered, and falls when it gets one. With threads it is the same number for
 * all of them (`shared_upstream.ts`), else each would begin with the same server.
 */

export interface ServerTurns {
  readonly owed: number;
  owe(more: number): void;
  /** The server gets no requests: what it was owed is forgotten. */
  forget(): void;
}

/** Those of one thread. */
export class OwnTurns implements ServerTurns {
  owed = 0;

  owe(more: number): void {
    this.owed += more;
  }

  forget(): void {
    this.owed = 0;
  }
}
