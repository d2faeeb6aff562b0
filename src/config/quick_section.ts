/**
 * A map with many known keys of which few are there, as sites and routes are. valibot looks at each key
 * that there could be, and reads each default anew; of a thousand sites that is a third of a start.
 * Where a file is only to be found good ({@link QUICK}) the keys are looked at that there are, and
 * a default is read once. Whatever is not good is left to valibot, which says why.
 */
import type * as v from "valibot";

/** For a reading of which nobody wants to know what is wrong, but that something is. */
export const QUICK = { abortEarly: true } as const;

type MapSchema = v.StrictObjectSchema<v.ObjectEntries, v.ErrorMessage<v.StrictObjectIssue>>;
type Run = MapSchema["~run"];
type Values = Record<string, unknown>;

const OPTIONAL: ReadonlySet<string> = new Set(["optional", "exact_optional", "nullish"]);

/** The same schema. */
export function quickly<Schema extends v.GenericSchema>(schema: Schema): Schema {
  const map = schema as unknown as MapSchema;
  const readQuickly = quickReader(map);
  const run: Run = (dataset, config) => {
    const value = config.abortEarly ? readQuickly(dataset.value, config) : undefined;
    return value === undefined ? map["~run"](dataset, config) : { typed: true, value };
  };
  return { ...schema, "~run": run };
}

/** Maps of which more are not remembered, and the length of the longest that is. */
const REMEMBERED_MAX = 1_024;
const REMEMBERED_LENGTH_MAX = 1_024;

/**
 * The same schema, which in one quick look reads each of equal maps once: the sites of a file mostly
 * have the same few routes. What it makes of them is one value, which nobody changes.
 */
export function remembered<Schema extends v.GenericSchema>(schema: Schema): Schema {
  const map = schema as unknown as MapSchema;
  const looks = new WeakMap<Parameters<Run>[1], Map<string, unknown>>();
  const run: Run = (dataset, config) => {
    if (!config.abortEarly) return map["~run"](dataset, config);
    const known = looks.get(config) ?? new Map<string, unknown>();
    looks.set(config, known);
    const text = JSON.stringify(dataset.value) ?? "";
    if (known.has(text)) return { typed: true, value: known.get(text) as Values };
    const read = map["~run"](dataset, config);
    const isKept = read.typed && read.issues === undefined && known.size < REMEMBERED_MAX &&
      text.length <= REMEMBERED_LENGTH_MAX;
    if (isKept) known.set(text, read.value);
    return read;
  };
  return { ...schema, "~run": run };
}

/** The same schema, which in one quick look reads a list once that stands at several places. */
export function readOnce<Schema extends v.GenericSchema>(schema: Schema): Schema {
  const list = schema as unknown as MapSchema;
  const looks = new WeakMap<Parameters<Run>[1], WeakMap<object, ReturnType<Run>>>();
  const run: Run = (dataset, config) => {
    const { value } = dataset;
    if (!config.abortEarly || typeof value !== "object" || value === null) {
      return list["~run"](dataset, config);
    }
    const known = looks.get(config) ?? new WeakMap<object, ReturnType<Run>>();
    looks.set(config, known);
    const read = known.get(value) ?? list["~run"](dataset, config);
    known.set(value, read);
    return read;
  };
  return { ...schema, "~run": run };
}

/** Makes of a map what the schema does; undefined where there is something to say against it. */
function quickReader({ entries }: MapSchema) {
  const known = new Map(Object.entries(entries));
  const required = [...known.keys()].filter((key) => !OPTIONAL.has(known.get(key)!.type));
  const defaults = new Map<string, unknown>();
  let hasDefaults = false;
  return (input: unknown, config: Parameters<Run>[1]): Values | undefined => {
    if (typeof input !== "object" || input === null) return undefined;
    if (!hasDefaults) readDefaults(known, config, defaults);
    hasDefaults = true;
    const given = input as Values;
    const values: Values = {};
    for (const key in given) {
      const read = known.get(key)?.["~run"]({ value: given[key] }, config);
      if (read === undefined || !read.typed || read.issues !== undefined) return undefined;
      values[key] = read.value;
    }
    for (const key of required) if (!(key in given)) return undefined;
    for (const [key, value] of defaults) if (!(key in given)) values[key] = value;
    return values;
  };
}

function readDefaults(
  known: ReadonlyMap<string, v.GenericSchema>,
  config: Parameters<Run>[1],
  defaults: Map<string, unknown>,
): void {
  for (const [key, schema] of known) {
    const value = (schema as v.OptionalSchema<v.GenericSchema, unknown>).default;
    if (value !== undefined) defaults.set(key, schema["~run"]({ value }, config).value);
  }
}
