/**
 * A configuration file's text and what YAML makes of it → {@link AppOptions}, or every error in it; with a
 * stop after each part of the work: of a thousand sites each takes a while.
 */
import * as v from "valibot";
import type { AppOptions } from "../app/options.ts";
import type { Files } from "../runtime/files.ts";
import { toAppOptions } from "./app_options.ts";
import { parseConfigText } from "./document.ts";
import type { ReadVariable } from "./environment.ts";
import type { LocatedError } from "./located_error.ts";
import { issueErrors } from "./issues.ts";
import { QUICK } from "./quick_section.ts";
import { checkReferences } from "./references.ts";
import { configSchema } from "./schema.ts";
import { type LocatedTls, locatedTls } from "./tls_references.ts";
import type { Secrets } from "./secrets.ts";
import { readSimpleYaml } from "./simple_yaml.ts";
import { checkShape } from "./unknown_keys.ts";
import type { ReadYaml } from "./yaml_tree.ts";

export interface ReadContext {
  /** The file as the user named it, for errors. */
  readonly source: string;
  /** Where the file's relative paths start. */
  readonly directory: string;
  readonly files: Files;
  readonly readVariable: ReadVariable;
  /** A root from a flag or the environment stands in for the site's own. */
  readonly rootGiven: boolean;
  /** Whether errors repeat secrets; left out: no. */
  readonly showSecrets?: boolean;
}

/** The options are undefined when there are errors. */
export interface ReadResult {
  readonly options: AppOptions | undefined;
  /** Whether the file itself says where to listen. */
  readonly hasListen?: boolean;
  readonly errors: readonly LocatedError[];
  /** What nothing that is printed should show. */
  readonly secrets: Secrets;
  /** What the file says of TLS. */
  readonly tls?: LocatedTls;
}

/** A file of which something is to be said is read once more, so that all of it has its place. */
export function* readConfigInSteps(
  text: string,
  yaml: ReadYaml,
  context: ReadContext,
): Generator<void, ReadResult, void> {
  const result = yield* readWritten(text, yaml, context);
  if ("error" in yaml || !yaml.isShared) return result;
  const { errors, tls } = result;
  // What routes name may turn out to be missing later.
  if (errors.length === 0 && tls?.authorities.length === 0) return result;
  yield;
  return yield* readWritten(text, { written: readSimpleYaml(text) }, context);
}

function* readWritten(
  text: string,
  yaml: ReadYaml,
  context: ReadContext,
): Generator<void, ReadResult, void> {
  const { source, directory, readVariable } = context;
  const { root, errors: syntaxErrors, secrets } = parseConfigText(
    text,
    yaml,
    source,
    readVariable,
  );
  if (root === undefined) return { options: undefined, errors: syntaxErrors, secrets };
  yield;
  const shape = checkShape(root, configSchema);
  const plain = root.toPlain();
  const quick = v.safeParse(configSchema, plain, QUICK);
  const result = quick.success ? quick : v.safeParse(configSchema, plain);
  yield;
  const referenceErrors = checkReferences(root, context);
  yield;
  const errors = [
    ...syntaxErrors,
    ...[
      ...shape.errors,
      ...issueErrors(result.issues ?? [], root, shape),
      ...referenceErrors,
    ].map((error): LocatedError => ({
      source,
      ...error,
      message: context.showSecrets ? error.message : secrets.mask(error.message),
    })),
  ];
  if (errors.length > 0 || !result.success) return { options: undefined, errors, secrets };
  const hasListen = typeof plain === "object" && plain !== null && "listen" in plain;
  const tls = locatedTls(root, directory);
  return { options: toAppOptions(result.output, directory), hasListen, errors, secrets, tls };
}
