/**
 * The configuration's JSON Schema as a page to read (docs/config-reference.md): a heading for each
 * map, a table of its keys with what may stand there, the default, and what it does. A map that is
 * allowed at several places is written out at the first; the others point there. This file knows
 * JSON Schema and Markdown, and no key by name but for the pages that say more.
 */
import { anyOf } from "./nearest.ts";

/** As much of JSON Schema 2020-12 as the configuration's schema uses. */
export interface JsonSchema {
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxItems?: number;
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | false;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

/** Where a map's matter is explained with examples, by the path of the map. */
export const EXPLAINED_IN: Readonly<Record<string, string>> = {
  "listen[]": "configuration.md#listen",
  "upstreams.NAME": "configuration.md#upstreams",
  "upstreams.NAME.spawn": "operations.md#applications-that-afcgi-starts",
  "upstreams.NAME.tls": "proxy.md#tls-to-the-server",
  "upstreams.NAME.tunnels": "proxy.md#websockets",
  "upstreams.NAME.timeouts": "multiplexing.md#timeouts",
  "upstreams.NAME.retry": "multiplexing.md#retries",
  "upstreams.NAME.health": "multiplexing.md#health-checks",
  "upstreams.NAME.resolve": "multiplexing.md#dns",
  "sites[]": "sites.md",
  "sites[].compression": "responses.md#compression",
  "sites[].routes[]": "configuration.md#routes",
  "sites[].routes[].authorize": "authorize-and-filter.md",
  "sites[].routes[].proxy": "proxy.md",
  "sites[].routes[].forward_auth": "proxy.md#authorization-by-an-http-server",
  "sites[].routes[].fastcgi": "parameters.md",
  "sites[].routes[].php": "php.md",
  "sites[].routes[].filter": "authorize-and-filter.md",
  "sites[].routes[].static": "static-files.md",
  acme: "acme.md",
  "gemini[]": "gemini.md",
  admin: "operations.md",
};

const TITLE = "# Every key of the configuration";

const INTRODUCTION = [
  "With this page you can look up every key of the configuration file, its values and its default. " +
  "Examples are in [configuration.md](configuration.md), which also says how sizes, times and " +
  "addresses are [written](configuration.md#how-values-are-written).",
  "The page is made from the schema: `npm run docs` writes it, and `afcgi schema --markdown` prints " +
  "it for your version.",
  "`NAME` stands for a name of your own, and `[]` for each item of a list. Every key is optional " +
  "that is not marked as required. A route inherits what its site says. No time may be longer than " +
  "596h.",
];

/** Columns of a line of text, as the formatter has them. */
const LINE_LENGTH_MAX = 100;

/** A default longer than this stands below its table. */
const DEFAULT_LENGTH_MAX = 60;

/** A map and where it stands. */
interface Section {
  readonly path: string;
  readonly map: JsonSchema;
  readonly description: string;
}

/** The page; its lines are as the formatter would have them. */
export function configReference(root: JsonSchema): string {
  const sections = new Sections(root);
  const parts = [TITLE, ...INTRODUCTION.map(wrap)];
  for (const section of sections.all) parts.push(...sectionText(section, sections));
  return `${parts.join("\n\n")}\n`;
}

/** Every map of the schema, each once. */
class Sections {
  readonly all: Section[] = [];
  /** Paths by the maps' text: maps with the same keys are one. */
  readonly #paths = new Map<string, string>();

  constructor(root: JsonSchema) {
    this.#add({ path: "", map: root, description: "" });
  }

  pathOf(map: JsonSchema): string {
    return this.#paths.get(textOf(map))!;
  }

  #add(section: Section): void {
    const text = textOf(section.map);
    if (this.#paths.has(text)) return;
    this.#paths.set(text, section.path);
    this.all.push(section);
    for (const [key, schema] of Object.entries(section.map.properties!)) {
      const path = section.path === "" ? key : `${section.path}.${key}`;
      for (const inner of innerMaps(schema, path)) {
        this.#add({ ...inner, description: schema.description! });
      }
    }
  }
}

/** What the map's keys say, without what is said of the map itself. */
function textOf({ properties, required }: JsonSchema): string {
  return JSON.stringify({ properties, required });
}

/** Maps with known keys that may stand at the path, or in lists and maps of names there. */
function innerMaps(schema: JsonSchema, path: string): { path: string; map: JsonSchema }[] {
  if (schema.properties !== undefined) return [{ path, map: schema }];
  if (schema.items !== undefined) return innerMaps(schema.items, `${path}[]`);
  if (schema.additionalProperties) return innerMaps(schema.additionalProperties, `${path}.NAME`);
  return (schema.anyOf ?? []).flatMap((inner) => innerMaps(inner, path));
}

function sectionText({ path, map, description }: Section, sections: Sections): string[] {
  const more = EXPLAINED_IN[path];
  const text = [
    ...(description === "" ? [] : [escaped(`${splitDefault(description)[0]}.`)]),
    ...alternatives(map),
    ...(more === undefined ? [] : [`More in [${more.replace(/#.*/, "")}](${more}).`]),
  ];
  const long: string[] = [];
  const rows = Object.entries(map.properties!).map(([key, schema]) => {
    const isRequired = map.required?.includes(key) === true;
    const [whatItDoes, spoken] = splitDefault(schema.description!);
    const byDefault = isRequired ? "required" : defaultText(schema) || escaped(spoken);
    if (byDefault.length > DEFAULT_LENGTH_MAX) long.push(`Default of \`${key}\`: ${byDefault}.`);
    return [
      `\`${key}\``,
      kindOf(schema, sections),
      byDefault.length > DEFAULT_LENGTH_MAX ? "see below" : byDefault,
      escaped(whatItDoes),
    ];
  });
  return [
    path === "" ? "## The file" : `## \`${path}\``,
    ...(text.length === 0 ? [] : [wrap(text.join(" "))]),
    table(["key", "value", "default", "what it does"], rows),
    ...long.map(wrap),
  ];
}

/** Keys of which one must be there. */
function alternatives(map: JsonSchema): string[] {
  const names = (schemas: readonly JsonSchema[]) =>
    anyOf(schemas.flatMap(({ required = [] }) => required.map((key) => `\`${key}\``)));
  if (map.oneOf) return [`Exactly one of ${names(map.oneOf)} must be there.`];
  const schemas = map.anyOf?.filter(({ required }) => required !== undefined) ?? [];
  return schemas.length === 0 ? [] : [`There must be ${names(schemas)}.`];
}

/** What may stand at a key, in words. */
function kindOf(schema: JsonSchema, sections: Sections, isPlural = false): string {
  if (schema.properties !== undefined) {
    return `[${isPlural ? "maps" : "map"}](#${anchor(sections.pathOf(schema))})`;
  }
  if (schema.title !== undefined) return isPlural ? plural(schema.title) : schema.title;
  if (schema.enum !== undefined) return anyOf(schema.enum.map((word) => `\`${word}\``));
  if (schema.anyOf !== undefined) {
    const kinds = schema.anyOf.map((inner) => kindOf(inner, sections, isPlural));
    return [...new Set(kinds)].join(" or ");
  }
  switch (schema.type) {
    case "array": {
      if (schema.maxItems === 0) return "`[]`";
      const most = schema.maxItems === undefined ? "" : `at most ${schema.maxItems} `;
      return `list of ${most}${kindOf(schema.items!, sections, true)}`;
    }
    case "object": {
      const { additionalProperties: value } = schema;
      if (!value) throw new TypeError("A map has neither known keys nor values of one kind");
      return `map of names to ${kindOf(value, sections, true)}`;
    }
    case "boolean":
      return "`true` or `false`";
    case "integer":
      return `whole number from ${schema.minimum} to ${schema.maximum}`;
    case "null":
      return "`null`";
    case "string":
      return isPlural ? "texts" : "text";
    default:
      throw new TypeError(`Values of type "${schema.type}" have no name in the reference`);
  }
}

function plural(kind: string): string {
  return kind.endsWith("s") ? `${kind}es` : `${kind}s`;
}

/** What a key does, and what holds where it is not there and the schema has no default. */
function splitDefault(description: string): [whatItDoes: string, byDefault: string] {
  const [whatItDoes, byDefault = ""] = description.split("; default: ", 2);
  return [whatItDoes!, byDefault];
}

/** As it would stand in the file; empty where there is none, or where a map's keys say it. */
function defaultText({ default: value }: JsonSchema): string {
  if (value === undefined) return "";
  if (Array.isArray(value)) {
    const text = `\`[${value.join(", ")}]\``;
    return text.length > DEFAULT_LENGTH_MAX ? value.map((item) => `\`${item}\``).join(", ") : text;
  }
  if (typeof value === "object") return "";
  return value === "" ? '`""`' : `\`${value}\``;
}

/** The identifier that a heading gets where Markdown is shown. */
function anchor(path: string): string {
  return path.toLowerCase().replace(/[^a-z0-9_-]/g, "");
}

function escaped(text: string): string {
  return text.replace(/[*|<]/g, "\\$&");
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => row[column]!.length))
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
  return [line(header), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join(
    "\n",
  );
}

/** A space with an even number of backquotes behind it: between words, not within code. */
const BETWEEN_WORDS = / (?=(?:[^`]*`[^`]*`)*[^`]*$)/;

/** Breaks a paragraph at the last space before a line's end. */
function wrap(paragraph: string): string {
  const lines = [""];
  for (const word of paragraph.split(BETWEEN_WORDS)) {
    const longer = lines.at(-1) === "" ? word : `${lines.at(-1)} ${word}`;
    if (longer.length <= LINE_LENGTH_MAX) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.join("\n");
}
