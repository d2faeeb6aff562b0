/** A configuration file's text → {@link ReadResult}, at once. */
import { readAnyYaml } from "./any_yaml.ts";
import { readConfigInSteps, type ReadContext, type ReadResult } from "./config_steps.ts";
import { readSimpleYaml } from "./simple_yaml.ts";

export type { ReadContext, ReadResult } from "./config_steps.ts";

export function readConfig(text: string, context: ReadContext): ReadResult {
  const simple = readSimpleYaml(text, true);
  const yaml = simple === undefined ? readAnyYaml(text) : { written: simple, isShared: true };
  const steps = readConfigInSteps(text, yaml, context);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
