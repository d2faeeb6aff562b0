/**
 * A PHP application as a person goes through it with a browser: steps in order, on one page, each of
 * them a test, once with php-fpm beside the executable and once with php-fpm that it starts. After
 * each step the browser must have seen nothing broken, and afcgi nothing to warn of.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { missingPeer, type PeerName } from "../support/peers.ts";
import { startBrowser, Visitor } from "./browser.ts";
import { type Hosted, type Way, WAYS } from "./hosting.ts";

/** What a step works with. */
export interface Visit {
  readonly way: Way;
  readonly page: Page;
  readonly visitor: Visitor;
  readonly browser: Browser;
  /** The application's directory, for what only its administrator can do. */
  readonly directory: string;
}

export interface Step {
  /** Follows the application's name. */
  readonly says: string;
  run(visit: Visit): Promise<void>;
}

export interface WebApplication {
  readonly name: string;
  readonly peers: readonly PeerName[];
  /** Whether its package keeps something that only root may read. */
  readonly takesRoot?: true;
  /** Serves it, ready to be installed. */
  host(way: Way): Promise<Hosted>;
  /** After everything else has stopped. */
  cleanUp?(): Promise<void>;
  readonly steps: readonly Step[];
}

interface Running {
  /** The first step that failed; those behind it have no ground to stand on. */
  failedStep?: string;
  readonly hosted: Hosted;
  readonly visit: Visit;
}

/** Registers a test for each step, in both ways. */
export function applicationTests(application: WebApplication): void {
  const peers: readonly PeerName[] = ["php-fpm", "chromium", ...application.peers];
  const missing = peers.map(missingPeer).find((reason) => reason !== false);
  const skip = missing ??
    (application.takesRoot === true && process.getuid?.() !== 0 && "takes root");
  const running = new Map<Way, Running>();
  let browser: Browser | undefined;
  before(async () => {
    if (skip) return;
    browser = await startBrowser();
    for (const way of WAYS) running.set(way, await start(application, way, browser));
  });
  after(async () => {
    await browser?.close();
    for (const { hosted } of running.values()) await hosted.stop();
    await application.cleanUp?.();
  });
  for (const way of WAYS) {
    for (const { says, run } of application.steps) {
      const name = `${application.name} with php-fpm ${way} ${says}`;
      test(name, { skip }, async () => {
        const started = running.get(way);
        assert.ok(started, `${application.name} did not start`);
        await take(started, name, run);
      });
    }
  }
}

async function start(application: WebApplication, way: Way, browser: Browser): Promise<Running> {
  const hosted = await application.host(way);
  const visitor = await Visitor.open(browser, `http://127.0.0.1:${hosted.afcgi.port}`);
  const { directory } = hosted;
  return { hosted, visit: { way, page: visitor.page, visitor, browser, directory } };
}

async function take(running: Running, name: string, run: Step["run"]): Promise<void> {
  assert.equal(running.failedStep, undefined, "a step before this one failed");
  const { visit, hosted } = running;
  running.failedStep = name;
  try {
    await run(visit);
  } finally {
    await visit.visitor.takePicture(name);
  }
  visit.visitor.sawNoError();
  assert.deepEqual(complaintsOf(hosted), []);
  delete running.failedStep;
}

/**
 * What afcgi has warned of. What PHP writes to its standard error is the application's business, and
 * who runs the tests is theirs.
 */
function complaintsOf({ afcgi }: Hosted): readonly string[] {
  return afcgi.log.filter(({ level, source, code }) =>
    level !== "info" && source !== "stderr" && code !== "runs_as_root"
  )
    .map((line) => JSON.stringify(line));
}
