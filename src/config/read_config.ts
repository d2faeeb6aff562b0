/** A configuration file's text → {@link AppOptions}, or every fault in it. */
import * as v from "valibot";
import type { AppOptions } from "../app/options.ts";
import type { Files } from "../runtime/files.ts";
import { toAppOptions } from "./app_options.ts";
import { parseConfigText } from "./document.ts";
import type { ReadVariable } from "./environment.ts";
import type { Fault } from "./fault.ts";
import { issueFaults } from "./issues.ts";
import { checkReferences } from "./references.ts";
import { configSchema } from "./schema.ts";
import type { Secrets } from "./secrets.ts";
import { checkShape } from "./unknown_keys.ts";

export interface ReadContext {
  /** The file as the user named it, for faults. */
  readonly source: string;
  /** Where the file's relative paths start. */
  readonly folder: string;
  readonly files: Files;
  readonly readVariable: ReadVariable;
  /** A root from a flag or the environment stands in for the site's own. */
  readonly rootGiven: boolean;
  /** Whether faults repeat secrets; left out: no. */
  readonly showSecrets?: boolean;
}

/** The options are undefined when there are faults. */
export interface ReadResult {
  readonly options: AppOptions | undefined;
  /** Whether the file itself says where to listen. */
  readonly hasListen?: boolean;
  readonly faults: readonly Fault[];
  /** What nothing that is printed should show. */
  readonly secrets: Secrets;
}

export function readConfig(text: string, context: ReadContext): ReadResult {
  const { source, folder, readVariable } = context;
  const { root, faults: syntaxFaults, secrets } = parseConfigText(text, source, readVariable);
  if (root === undefined) return { options: undefined, faults: syntaxFaults, secrets };
  const shape = checkShape(root, configSchema);
  const plain = root.toPlain();
  const result = v.safeParse(configSchema, plain);
  const faults = [
    ...syntaxFaults,
    ...[
      ...shape.faults,
      ...issueFaults(result.issues ?? [], root, shape),
      ...checkReferences(root, context),
    ].map((fault): Fault => ({
      source,
      ...fault,
      message: context.showSecrets ? fault.message : secrets.mask(fault.message),
    })),
  ];
  if (faults.length > 0 || !result.success) return { options: undefined, faults, secrets };
  const hasListen = typeof plain === "object" && plain !== null && "listen" in plain;
  return { options: toAppOptions(result.output, folder), hasListen, faults, secrets };
}
