/**
 * `test` for tests in worlds: when the test itself has passed, each world that it made is looked at.
 * A world says by {@link atTestEnd} what must hold then: nothing is held but what is open, and when
 * all is closed nothing at all, no timer either. Under another `test` nobody looks.
 */
import { test as plainTest } from "node:test";

type Check = () => void | Promise<void>;

let checks: Check[] | undefined;

/** Called when the test that runs has passed; what it throws fails the test. */
export function atTestEnd(check: Check): void {
  checks?.push(check);
}

export function test(name: string, run: () => void | Promise<void>): void {
  plainTest(name, async () => {
    const ours: Check[] = checks = [];
    try {
      await run();
    } finally {
      checks = undefined;
    }
    for (const check of ours) await check();
  });
}
