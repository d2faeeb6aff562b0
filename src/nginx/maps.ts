/**
 * `map` and `geo` → our `map`: tables that somebody asks for, each under the name of its variable.
 * nginx compares texts in any case of letters, and takes an equal text first, then the longest name
 * with a star, then the first expression. One of which anything cannot be said is none at all, so
 * what asks for it cannot be said either.
 */
import { quoted } from "../routing/route_pattern.ts";
import { networkPattern } from "./client_networks.ts";
import { isExpressionOfOurs, plainValue } from "./expressions.ts";
import { type Notes, placeOf, textOf } from "../import/notes.ts";
import type { Directive } from "./parser.ts";
import { toTemplate } from "./variables.ts";
import type { Part } from "../import/yaml_writer.ts";

/** What our file says of a table. */
interface Table {
  readonly of: string;
  readonly values: Readonly<Record<string, string>>;
  readonly default?: string;
}

/** Tables that nginx has as variables of its own. */
const OWN: Readonly<Record<string, Table>> = {
  is_args: { of: "${request.query}", values: { "": "" }, default: "?" },
  https: { of: "${request.scheme}", values: { https: "on" } },
};

export class ValueTables {
  readonly #blocks = new Map<string, Directive>();
  readonly #made = new Map<string, { readonly place: Directive | undefined; table: Table }>();
  /** Being made, so that none leads back to itself. */
  readonly #open = new Set<string>();
  readonly #notes: Notes;

  constructor(blocks: readonly Directive[], notes: Notes) {
    this.#notes = notes;
    for (const block of blocks) {
      this.#blocks.set((block.args.at(-1) ?? "").replace(/^\$/, ""), block);
    }
  }

  /** `${map.NAME}`; undefined where there is none, or it cannot be said. */
  referenceTo(name: string): string | undefined {
    if (this.#made.has(name)) return `\${map.${name}}`;
    const block = this.#blocks.get(name);
    const table = block === undefined ? OWN[name] : this.#read(name, block);
    if (table === undefined || !/^[A-Za-z_]\w*$/.test(name)) return undefined;
    this.#made.set(name, { place: block, table });
    return `\${map.${name}}`;
  }

  get parts(): (Part & { name: string })[] {
    return [...this.#made].map(([name, { place, table }]) => ({
      name,
      comment: place === undefined ? "" : `${placeOf(place)}: ${textOf(place)}`,
      value: { ...table },
    }));
  }

  #read(name: string, block: Directive): Table | undefined {
    if (this.#open.has(name)) return undefined;
    this.#open.add(name);
    const table = block.name === "geo" ? this.#readGeo(block) : this.#readMap(block);
    this.#open.delete(name);
    if (table !== undefined) this.#notes.take(block, ...block.block ?? []);
    return table;
  }

  #text(text: string): string | undefined {
    return toTemplate(text, { root: undefined, serverName: "", tables: this });
  }

  #readMap({ args: [source = ""], block = [] }: Directive): Table | undefined {
    const of = this.#text(source);
    if (of === undefined) return undefined;
    const hasNames = block.some(({ name, args }) => name === "hostnames" && args.length === 0);
    const rows: { readonly key: string; readonly rank: number; readonly text: string }[] = [];
    let otherwise: string | undefined;
    for (const { name, args: [value = ""], args } of block) {
      if ((name === "hostnames" || name === "volatile") && args.length === 0) continue;
      const text = this.#text(value);
      if (name === "include" || text === undefined) return undefined;
      if (name === "default") {
        otherwise = text;
        continue;
      }
      const keys = keysOf(name, hasNames, source === "$host");
      if (keys === undefined) return undefined;
      rows.push(...keys.map((key) => ({ ...key, text })));
    }
    return tableOf(of, rows.sort((a, b) => a.rank - b.rank), otherwise);
  }

  #readGeo({ args, block = [] }: Directive): Table | undefined {
    const of = this.#text(args.length > 1 ? args[0]! : "$remote_addr");
    if (of === undefined) return undefined;
    const rows: { readonly key: string; readonly rank: number; readonly text: string }[] = [];
    let otherwise: string | undefined;
    for (const { name, args: [value = ""], args } of block) {
      if (args.length !== 1 || /^(?:proxy|proxy_recursive|ranges|delete|include)$/.test(name)) {
        return undefined;
      }
      if (name === "default") {
        otherwise = value;
        continue;
      }
      const network = networkPattern(name);
      if (network === undefined) return undefined;
      rows.push({ key: network.pattern, rank: -network.bits, text: value });
    }
    return tableOf(of, rows.sort((a, b) => a.rank - b.rank), otherwise);
  }
}

function tableOf(
  of: string,
  rows: readonly { readonly key: string; readonly text: string }[],
  otherwise: string | undefined,
): Table | undefined {
  const values: Record<string, string> = {};
  for (const { key, text } of rows) if (!Object.hasOwn(values, key)) values[key] = text;
  if (rows.length === 0) values[""] = otherwise ?? "";
  return { of, values, ...(otherwise !== undefined && otherwise !== "" && { default: otherwise }) };
}

/** Patterns of a key, with the place that they have among the others. */
function keysOf(
  written: string,
  hasNames: boolean,
  isLower: boolean,
): { readonly key: string; readonly rank: number }[] | undefined {
  if (written.startsWith("~")) {
    const [, star = "", source = ""] = /^~(\*?)([^]*)$/.exec(written) ?? [];
    const key = `~${star} ${source}`;
    return isExpressionOfOurs(key) ? [{ key, rank: 1e6 }] : undefined;
  }
  const text = written.replace(/^\\/, "");
  if (hasNames && text.startsWith(".")) {
    return [
      { key: text.slice(1).toLowerCase(), rank: 0 },
      { key: `*${text.toLowerCase()}`, rank: 1000 - text.length },
    ];
  }
  if (hasNames && /^\*\.|\.\*$/.test(text)) {
    return [{ key: text.toLowerCase(), rank: (text.startsWith("*") ? 1000 : 2000) - text.length }];
  }
  if (!/[a-z]/i.test(text)) return [{ key: plainValue(text), rank: 0 }];
  if (isLower) return [{ key: plainValue(text.toLowerCase()), rank: 0 }];
  return [{ key: `~* ^${quoted(text)}$`, rank: 0 }];
}
