/**
 * Exceptions of our own: what none of our code should throw, where nobody waits for it. An event
 * handler of a socket that throws would else pass for a connection that broke, and a timer would end
 * the process. All of them come to this one place. The program writes them to its log, tests fail.
 *
 * It stands for the process, as `uncaughtException` does, because the runtimes call handlers without
 * telling whose they are. Errors that the world outside causes do not come here.
 */

/** Called with what was thrown, and where: "received of a socket". */
export type OnUnexpected = (error: unknown, where: string) => void;

const listeners = new Set<OnUnexpected>();

/** From now on tells the listener too; gives what ends that. */
export function onUnexpected(listener: OnUnexpected): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Nothing gets lost: where nobody listens it goes to standard error. */
export function reportUnexpected(error: unknown, where: string): void {
  if (listeners.size === 0) console.error(`afcgi: unexpected exception in ${where}:`, error);
  for (const listener of listeners) listener(error, where);
}

/** For a `catch` that is there for errors of others: tells of those that only a bug makes. */
export function reportIfOurs(error: unknown, where: string): void {
  if (isOurs(error)) reportUnexpected(error, where);
}

/** Whether the language itself threw it: then no peer, file or system is its cause. */
function isOurs(error: unknown): boolean {
  return error instanceof TypeError || error instanceof ReferenceError ||
    error instanceof RangeError || error instanceof SyntaxError;
}
