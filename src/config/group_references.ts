/** That `${path.NAME}` in a route's texts is a star or a group of the route's path. */
import { groupNamesOf, groupOf, patternError } from "../routing/route_pattern.ts";
import type { ConfigNode } from "./config_node.ts";
import { TEMPLATE_KEYS } from "./environment.ts";
import type { Place, Tell } from "./located_error.ts";

const REFERENCE = /(\$?)\$\{path\.([^{}]*)\}/g;

export function checkGroups(route: ConfigNode, tell: Tell): void {
  const pattern = route.get("path")?.text;
  if (pattern !== undefined && patternError(pattern) !== undefined) return;
  visit(route, false);

  function visit(node: ConfigNode, isTemplate: boolean): void {
    if (isTemplate && node.text !== undefined) checkText(node.text, node.place);
    for (const item of node.items) visit(item, isTemplate);
    for (const [key, entry] of node.entries) {
      visit(entry.node, isTemplate || TEMPLATE_KEYS.has(key));
      if (key !== "when") continue;
      for (const [text, { keyPlace }] of entry.node.entries) checkText(text, keyPlace);
    }
  }

  function checkText(text: string, place: Place): void {
    for (const [reference, escape, name] of text.matchAll(REFERENCE)) {
      if (escape !== "" || groupOf(pattern, name!) !== undefined) continue;
      const names = groupNamesOf(pattern).map((known) => `\${path.${known}}`);
      const remedy = names.length === 0 ? "give path a star or a group" : `use ${names.join(", ")}`;
      tell(place, `"${reference}" is no part of the route's path (${remedy})`);
    }
  }
}
