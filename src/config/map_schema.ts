/** The schema of `map`: tables from a value of the request to a text, and that they lead somewhere. */
import * as v from "valibot";
import type { ValueMapOptions, ValueMaps } from "../http/value_map.ts";
import { valuePatternError } from "../routing/value_pattern.ts";
import type { ConfigNode } from "./config_node.ts";
import { TEMPLATE_KEYS } from "./environment.ts";
import type { Place, Tell } from "./located_error.ts";
import { didYouMean } from "./nearest.ts";
import { templateText } from "./params_schema.ts";
import { described, optional, refuse, section } from "./schema_parts.ts";

const valuePattern = v.pipe(v.string(), refuse(valuePatternError));

const valueMap = section({
  of: described(templateText(), "What is looked up, such as ${request.header.X-Env}"),
  values: described(
    v.pipe(
      v.record(valuePattern, templateText(), "use a map of values and texts"),
      v.minEntries(1, "add a value"),
    ),
    'Texts by value; * in a value is anything, "~ …" an expression; the one that is equal, else the first that fits',
  ),
  default: optional(templateText(), "Text where no value fits", ""),
});

const MAP_NAME = /^[A-Za-z_]\w*$/;

export const mapEntries = {
  map: optional(
    v.record(
      v.pipe(v.string(), v.regex(MAP_NAME, 'use letters, digits and "_"')),
      valueMap,
      "use a map of names and tables",
    ),
    "Tables from a value to a text, each under a name of your own: ${map.NAME}; default: none",
  ),
};

type MapConfig = Readonly<Record<string, v.InferOutput<typeof valueMap>>>;

export function valueMaps(config: MapConfig | undefined): ValueMaps | undefined {
  if (config === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(config).map(([name, { of, values, default: otherwise }]) => {
      const options: ValueMapOptions = { of, values: Object.entries(values), default: otherwise };
      return [name, options];
    }),
  );
}

const REFERENCE = /(\$?)\$\{map\.([^{}]*)\}/g;

/** That every `${map.NAME}` has its table, and that no table leads back to itself. */
export function checkMaps(root: ConfigNode, tell: Tell): void {
  const maps = root.get("map")?.entries ?? new Map();
  const names = [...maps.keys()];
  /** Lists outside templates: one may stand at several places. */
  const seen = new Set<ConfigNode>();
  visit(root, false);
  for (const [name, { node }] of root.get("map")?.entries ?? []) {
    if (leadsTo(name, name, new Set())) {
      tell(node.place, `Map "${name}" leads to itself (take "\${map.…}" out of it)`);
    }
  }

  function visit(node: ConfigNode, isTemplate: boolean): void {
    if (isTemplate) check(node.text, node.place);
    else if (node.content.kind === "list") {
      if (seen.has(node)) return;
      seen.add(node);
    }
    for (const item of node.items) visit(item, isTemplate);
    for (const [key, entry] of node.entries) {
      visit(entry.node, isTemplate || TEMPLATE_KEYS.has(key));
      if (key !== "when") continue;
      for (const [text, { keyPlace }] of entry.node.entries) check(text, keyPlace);
    }
  }

  function check(text: string | undefined, place: Place): void {
    for (const { name, reference } of referencesIn({ text })) {
      if (maps.has(name)) continue;
      const remedy = names.length === 0 ? "add it under map" : didYouMean(name, names);
      tell(place, `"${reference}" is no map (${remedy})`);
    }
  }

  function leadsTo(from: string, wanted: string, seen: Set<string>): boolean {
    if (seen.has(from)) return false;
    seen.add(from);
    return textsOf(root.get("map")?.get(from)).flatMap(referencesIn)
      .some(({ name }) => name === wanted || leadsTo(name, wanted, seen));
  }
}

function textsOf(node: ConfigNode | undefined): ConfigNode[] {
  if (node === undefined) return [];
  if (node.text !== undefined) return [node];
  return [...node.items, ...[...node.entries.values()].map((entry) => entry.node)]
    .flatMap(textsOf);
}

function referencesIn({ text }: Pick<ConfigNode, "text">): { name: string; reference: string }[] {
  return [...(text ?? "").matchAll(REFERENCE)]
    .filter(([, escape]) => escape === "")
    .map(([reference, , name]) => ({ name: name!, reference }));
}
