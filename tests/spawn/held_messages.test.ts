/** Lines of php-fpm that are held back are told when its upstream goes, and when all ends: none is lost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SpawnedApplications, type SpawnedPart } from "../../src/app/spawned_applications.ts";
import { Logger } from "../../src/observe/logger.ts";
import { MetricsRegistry } from "../../src/observe/metrics.ts";
import type { FpmMessages } from "../../src/spawn/fpm_messages.ts";
import { SPAWN_DEFAULTS } from "../../src/spawn/options.ts";
import { StderrBudget } from "../../src/upstream/stderr_budget.ts";
import { MemoryRuntime, MemorySink } from "../support/memory/memory.ts";

/** As php-fpm writes what its script has said, which a request may say too. */
const LINE = "NOTICE: PHP message: PHP Warning:  something in /a.php on line 1";

const WAYS: Readonly<Record<string, (applications: SpawnedApplications) => void>> = {
  "another configuration has none": (applications) => applications.use([]),
  "all ends": (applications) => applications.tellHeld(),
};

for (const [way, act] of Object.entries(WAYS)) {
  test(`What is held back of php-fpm is told when ${way}`, () => {
    const runtime = new MemoryRuntime();
    const { clock } = runtime;
    const fpmMessages = new Map<string, FpmMessages>();
    const applications = new SpawnedApplications({
      runtime,
      logger: new Logger({ sink: new MemorySink(), clock, level: "info", format: "json" }),
      registry: new MetricsRegistry(),
      fpmMessages,
      stderr: new StderrBudget(clock, () => {}),
    });
    for (const upstream of ["php", "other"]) {
      applications.expect({ ...SPAWN_DEFAULTS, upstream, command: ["php-fpm"], workers: 1 });
    }
    const told: string[] = [];
    for (const [upstream, messages] of fpmMessages) messages.push(LINE, () => told.push(upstream));
    assert.deepEqual(told, [], "it is held");
    act(applications);
    assert.deepEqual(told.toSorted(), ["other", "php"]);
  });
}

test("Lines of an upstream that stays are held on", () => {
  const runtime = new MemoryRuntime();
  const { clock } = runtime;
  const fpmMessages = new Map<string, FpmMessages>();
  const applications = new SpawnedApplications({
    runtime,
    logger: new Logger({ sink: new MemorySink(), clock, level: "info", format: "json" }),
    registry: new MetricsRegistry(),
    fpmMessages,
    stderr: new StderrBudget(clock, () => {}),
  });
  const options = { ...SPAWN_DEFAULTS, upstream: "php", command: ["php-fpm"], workers: 1 };
  applications.expect(options);
  const known = fpmMessages.get("php")!;
  let told = 0;
  known.push(LINE, () => void told++);
  applications.use([{ application: { options } } as unknown as SpawnedPart]);
  assert.equal(fpmMessages.get("php"), known);
  assert.equal(told, 0);
  applications.use([]);
  assert.equal(told, 1);
  assert.equal(fpmMessages.size, 0);
});
