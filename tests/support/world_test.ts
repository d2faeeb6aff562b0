/**
 * What must hold when a test in worlds has passed: each world that it made says so by
 * {@link atTestEnd}. Nothing is held but what is open, and when all is closed nothing at all, no timer
 * either. Where a test's function is not wrapped in {@link inWorld} nobody looks. The test itself is
 * registered in its own file, for Deno says by that where a test belongs.
 */

type Check = () => void | Promise<void>;

let checks: Check[] | undefined;

/** Called when the test that runs has passed; what it throws fails the test. */
export function atTestEnd(check: Check): void {
  checks?.push(check);
}

/** Runs the test, then what its worlds have to say. */
export function inWorld(run: () => void | Promise<void>): () => Promise<void> {
  return async () => {
    const ours: Check[] = checks = [];
    try {
      await run();
    } finally {
      checks = undefined;
    }
    for (const check of ours) await check();
  };
}
