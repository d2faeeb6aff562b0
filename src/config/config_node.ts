/**
 * A configuration file as a tree of values that know where they stand. Reading it is tolerant: what
 * is not there, or is of another kind, reads as undefined or empty, so that checks can run over a
 * file with errors and each finds its own. The tree knows no YAML and no schema.
 */
import type { Place } from "./located_error.ts";

export type Scalar = string | number | boolean | null;

/** Where a value is: the keys and indices that lead to it. */
export type NodePath = readonly (string | number)[];

export interface ConfigEntry {
  readonly keyPlace: Place;
  readonly node: ConfigNode;
}

export type ConfigContent =
  | { readonly kind: "scalar"; readonly value: Scalar }
  | { readonly kind: "list"; readonly items: readonly ConfigNode[] }
  | { readonly kind: "map"; readonly entries: ReadonlyMap<string, ConfigEntry> };

const NO_ENTRIES: ReadonlyMap<string, ConfigEntry> = new Map();
const NO_ITEMS: readonly ConfigNode[] = [];

/** A value and its place. */
export class ConfigNode {
  readonly place: Place;
  readonly content: ConfigContent;
  /** An error has been told about this value already: it says nothing about what was meant. */
  readonly faulty: boolean;
  /** Of a scalar: what messages show in its place; undefined: the value itself. */
  readonly shown: string | undefined;
  /** Of a list, which may stand at several places. */
  #plain: unknown[] | undefined;

  constructor(place: Place, content: ConfigContent, faulty = false, shown?: string) {
    this.place = place;
    this.content = content;
    this.faulty = faulty;
    this.shown = shown;
  }

  get entries(): ReadonlyMap<string, ConfigEntry> {
    return this.content.kind === "map" ? this.content.entries : NO_ENTRIES;
  }

  get items(): readonly ConfigNode[] {
    return this.content.kind === "list" ? this.content.items : NO_ITEMS;
  }

  get text(): string | undefined {
    const { content } = this;
    if (content.kind !== "scalar" || this.faulty) return undefined;
    return typeof content.value === "string" ? content.value : undefined;
  }

  get(key: string): ConfigNode | undefined {
    return this.entries.get(key)?.node;
  }

  /** The value at the path, or the nearest one around it that is there. */
  at(path: NodePath): ConfigNode {
    const [step, ...rest] = path;
    const next = typeof step === "number" ? this.items[step] : this.get(step ?? "");
    return step === undefined || next === undefined ? this : next.at(rest);
  }

  /** The same values without places; of one list always the same. */
  toPlain(): unknown {
    const { content } = this;
    if (content.kind === "scalar") return content.value;
    if (content.kind === "list") {
      return this.#plain ??= content.items.map((item) => item.toPlain());
    }
    const plain: Record<string, unknown> = {};
    for (const [key, { node }] of content.entries) plain[key] = node.toPlain();
    return plain;
  }
}

/** `sites[0].routes[2].php` */
export function formatPath(path: NodePath): string {
  return path.map((step) => typeof step === "number" ? `[${step}]` : `.${step}`).join("")
    .replace(/^\./, "");
}
