/**
 * What the schema is built from: sections, numbers, sizes, times, addresses. A message given to
 * valibot here is a remedy ("use a whole number from 1 to 8"); what is wrong is said by `issues.ts`,
 * which has the value and its place. Only a transformation that adds an issue writes the whole text.
 * A title is the value's kind, for editors and the reference, where JSON Schema knows only "string".
 */
import * as v from "valibot";
import {
  type Address,
  AddressError,
  type AddressRules,
  isServiceName,
  parseAddress,
} from "../runtime/address.ts";
import { anyOf, didYouMean } from "./nearest.ts";
import { quickly } from "./quick_section.ts";
import {
  DURATION_PATTERN,
  formatSize,
  formatTime,
  parseDuration,
  parseSize,
  parseTime,
  SIZE_PATTERN,
  sizeRemedy,
  TIME_MAX_MS,
  TIME_PATTERN,
  timeRemedy,
} from "./units.ts";

export const TEXT_REMEDY = "use text, in quotes where it looks like something else";

/** What is wrong with a value, as far as a remedy looks at it. */
interface Given {
  readonly input: unknown;
}

/**
 * A map with known keys. Somebody who writes a value alone is shown what it stands for: `short` is
 * its key, or makes the map.
 */
export function section<const Entries extends v.ObjectEntries>(
  entries: Entries,
  short?: keyof Entries & string | ((text: string) => string),
) {
  const keys = Object.keys(entries);
  const required = keys.filter((key) => entries[key]!.type !== "optional");
  const isWhole = required.length === keys.length;
  const remedy = `use a map with ${isWhole ? keys.join(" and ") : anyOf(keys)}`;
  return quickly(v.strictObject(entries, ({ input }: Given) => {
    if (input === null && required.length === 0) {
      return `use {} for the defaults, or ${remedy.slice(4)}`;
    }
    if (short === undefined || (typeof input !== "string" && typeof input !== "number")) {
      return remedy;
    }
    const text = String(input);
    return `use ${typeof short === "string" ? `{ ${short}: ${asYaml(text)} }` : short(text)}`;
  }));
}

/** A value as it stands in a list or a map on one line. */
export function asYaml(text: string): string {
  return /^-?[A-Za-z0-9/.][A-Za-z0-9_./:@-]*$/.test(text) ? text : JSON.stringify(text);
}

/** The words of a text, as another program would take them from one line. */
export function wordsOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== "");
}

export function list<const Item extends v.GenericSchema>(item: Item, remedy: string) {
  return v.pipe(items(item, remedy), v.minLength(1, "put at least one in it"));
}

/** A list; somebody who writes an item alone is shown how it becomes one. */
export function items<const Item extends v.GenericSchema>(item: Item, remedy: string) {
  return v.array(item, ({ input }: Given) => {
    if (typeof input === "string") return `use a list: [${wordsOf(input).map(asYaml).join(", ")}]`;
    const isMap = typeof input === "object" && input !== null && !Array.isArray(input);
    return isMap ? `${remedy}, with "- " before each` : remedy;
  });
}

/**
 * The schema with a text for editors and for the reference. It stands right behind the first part:
 * what JSON Schema says of a schema ends at its first transformation.
 */
export function described<const Schema extends v.GenericSchema>(schema: Schema, text: string) {
  const parts = "pipe" in schema ? schema.pipe : [schema];
  const [first, ...rest] = parts as [v.GenericSchema, ...v.GenericPipeItem[]];
  return v.pipe(first, v.description(text), ...rest) as unknown as Schema;
}

/** A key that may be left out, with the text that {@link described} takes; then it has the default. */
export function optional<const Schema extends v.GenericSchema>(
  schema: Schema,
  text: string,
): v.OptionalSchema<Schema, undefined>;
export function optional<
  const Schema extends v.GenericSchema,
  const Value extends v.Default<Schema, undefined>,
>(schema: Schema, text: string, byDefault: Value): v.OptionalSchema<Schema, Value>;
export function optional(schema: v.GenericSchema, text: string, byDefault?: never) {
  return v.optional(described(schema, text), byDefault);
}

/** Refuses a value for the reason that `why` gives in full; undefined: it is good. */
export function refuse<Value>(why: (value: Value) => string | undefined) {
  return v.rawCheck<Value>(({ dataset, addIssue }) => {
    const message = dataset.typed ? why(dataset.value) : undefined;
    if (message !== undefined) addIssue({ message });
  });
}

export function wholeNumber(min: number, max: number) {
  const remedy = `use a whole number from ${min} to ${max}`;
  return v.pipe(
    v.number(({ input }: Given) =>
      typeof input === "string" && /^\d+$/.test(input) ? `${remedy}, without quotes` : remedy
    ),
    v.integer(remedy),
    v.minValue(min, remedy),
    v.maxValue(max, remedy),
  );
}

export function flag() {
  return v.boolean("use true or false");
}

/** Text that matches; `remedy` says what it should look like. */
export function textLike(pattern: RegExp, remedy: string) {
  return v.pipe(v.string(remedy), v.regex(pattern, remedy));
}

export function filePath() {
  return v.pipe(textLike(/^[^\0]+$/, "use a path"), v.title("path"));
}

/** A list of methods that a client may use. */
export function methods() {
  return list(
    v.pipe(
      textLike(/^[A-Z][A-Z-]*$/, "use a method's name in upper case, such as GET"),
      v.title("method"),
      v.notValues(["TRACE", "CONNECT"], "leave it out: TRACE and CONNECT are never let in"),
    ),
    "use a list of methods, such as [GET, POST]",
  );
}

export function oneOf<const Words extends readonly string[]>(words: Words) {
  return v.picklist(
    words,
    ({ input }: Given) => {
      if (typeof input === "string") return didYouMean(input, words);
      const isWord = typeof input === "number" && words.includes(String(input));
      return isWord ? `put it in quotes: "${input}"` : `use ${anyOf(words)}`;
    },
  );
}

/** Bytes, from text with a unit or from a plain number. */
export function size(minBytes = 0) {
  const remedy = ({ input }: Given) => sizeRemedy(input);
  return v.pipe(
    v.union([
      v.pipe(v.string(remedy), v.regex(SIZE_PATTERN, remedy)),
      v.pipe(v.number(remedy), v.integer(remedy), v.minValue(0, remedy)),
    ], remedy),
    v.title(minBytes === 0 ? "size" : `size from ${formatSize(minBytes)}`),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const bytes = parseSize(String(dataset.value));
      if (bytes !== undefined && bytes >= minBytes) return bytes;
      const [what, remedy] = bytes === undefined
        ? ["more than can be counted", "use less"]
        : ["too small", `use ${formatSize(minBytes)} or more`];
      addIssue({ message: `Size "${dataset.value}" is ${what} (${remedy})` });
      return NEVER;
    }),
  );
}

/** Milliseconds, from text with a unit. */
export function time(minMs = 0) {
  const remedy = ({ input }: Given) => timeRemedy(input);
  return v.pipe(
    v.string(remedy),
    v.regex(TIME_PATTERN, remedy),
    v.title(minMs === 0 ? "time" : `time from ${formatTime(minMs)}`),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const timeMs = parseTime(dataset.value)!;
      if (timeMs >= minMs && timeMs <= TIME_MAX_MS) return timeMs;
      const [what, remedy] = timeMs < minMs
        ? ["short", `use ${formatTime(minMs)} or more`]
        : ["long", `use ${Math.floor(TIME_MAX_MS / 3_600_000)}h or less`];
      addIssue({ message: `Time "${dataset.value}" is too ${what} (${remedy})` });
      return NEVER;
    }),
  );
}

/** Milliseconds of a time that nobody waits for here; days may stand in it. */
export function duration(maxMs: number) {
  const days = Math.floor(maxMs / 86_400_000);
  const remedy = `use a whole number with s, m, h or d, up to ${days}d, such as 180d`;
  return v.pipe(
    v.string(remedy),
    v.regex(DURATION_PATTERN, remedy),
    v.title(`time up to ${days}d`),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const timeMs = parseDuration(dataset.value)!;
      if (timeMs <= maxMs) return timeMs;
      addIssue({ message: `Time "${dataset.value}" is too long (use ${days}d or less)` });
      return NEVER;
    }),
  );
}

/** An address to listen at where the rules allow every host, else one to connect to. */
export function address(rules: AddressRules, remedy: string) {
  return addressLike((text) => readAddress(text, rules), remedy);
}

/** What `read` makes of an address. */
export function addressLike<Value>(read: (text: string) => Value, remedy: string) {
  return v.pipe(
    v.string(remedy),
    v.title("address"),
    v.rawTransform(({ dataset, addIssue, NEVER }): Value => {
      try {
        return read(dataset.value);
      } catch (error) {
        if (!(error instanceof AddressError)) throw error;
        addIssue({ message: error.message });
        return NEVER;
      }
    }),
  );
}

/**
 * {@link parseAddress}, and port 0 only where the system may choose one: for a listener.
 *
 * @throws {AddressError}
 */
export function readAddress(text: string, rules: AddressRules): Address {
  const value = parseAddress(text, rules);
  if (rules.anyHost || value.transport === "unix" || value.port > 0) return value;
  if (isServiceName(value)) return value;
  throw new AddressError(`Cannot connect to "${text}": port 0 is nobody's (use 1 to 65535)`);
}
