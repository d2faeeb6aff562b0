/** A route's conditions as texts, of which two are equal if they ask for the same. */
import type { ConfigNode } from "./config_node.ts";

/** In `headers` of a route they are no conditions. */
const RULE_NAMES: ReadonlySet<string> = new Set(["set", "add", "remove"]);

export function conditionTexts(route: ConfigNode): string[] {
  const byName = ["headers", "cookie", "query", "when"].flatMap((key) =>
    [...route.get(key)?.entries ?? []].flatMap(([name, { node }]) => {
      if (key === "headers" && RULE_NAMES.has(name)) return [];
      const shown = key === "headers" ? name.toLowerCase() : name;
      return [JSON.stringify([key, shown, node.toPlain()])];
    })
  );
  const alone = ["scheme", "host", "exists", "rewritten"].flatMap((key) => {
    const node = route.get(key);
    return node === undefined ? [] : [JSON.stringify([key, node.toPlain()])];
  });
  return [...byName, ...alone];
}
