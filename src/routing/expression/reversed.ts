/** A tree that matches, in a text read backwards, what the tree matches in the text. */
import type { Node } from "./syntax.ts";

export function reversed(node: Node): Node {
  switch (node.kind) {
    case "set":
      return node;
    case "sequence":
      return { ...node, parts: node.parts.map(reversed).reverse() };
    case "choice":
      return { ...node, options: node.options.map(reversed) };
    case "repeat":
    case "group":
      return { ...node, body: reversed(node.body) };
    case "assertion": {
      const { what } = node;
      return { ...node, what: what === "start" ? "end" : what === "end" ? "start" : what };
    }
    case "look":
      return { ...node, isBehind: !node.isBehind, body: reversed(node.body) };
  }
}
