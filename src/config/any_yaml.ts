/** YAML by the library, which reads all of it and says what is wrong. */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  parseDocument,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import { yamlError } from "./yaml_errors.ts";
import type { AnchoredNode, ReadYaml, Written, WrittenPair } from "./yaml_tree.ts";

export function readAnyYaml(text: string): ReadYaml {
  const document = parseDocument(text, {
    version: "1.2",
    prettyErrors: false,
    // Found where the tree is read, with the place of the first one.
    uniqueKeys: false,
  });
  const error = yamlError(document, text);
  if (error !== undefined) return { error };
  const { contents } = document;
  return { written: contents === null ? undefined : new TreeMaker().make(contents) };
}

/** In the order of the text, so that an alias meets the anchors before it and no others. */
class TreeMaker {
  readonly #anchors = new Map<string, AnchoredNode>();

  make(node: Node | null): Written {
    const at = node?.range?.[0];
    if (isAlias(node)) {
      return { kind: "alias", at, name: node.source, target: this.#anchors.get(node.source) };
    }
    if (isMap<Node, Node | null>(node)) return this.#map(node, at);
    if (isSeq<Node | null>(node)) return this.#list(node, at);
    const value = isScalar(node) ? node.value : null;
    return this.#keep(node, { kind: "scalar", at: value === null ? undefined : at, value });
  }

  #map(node: YAMLMap<Node, Node | null>, at: number | undefined): Written {
    const pairs: WrittenPair[] = [];
    // Before what is in it: an alias there means the map around it.
    const map = this.#keep(node, { kind: "map", at, pairs });
    for (const { key, value } of node.items) {
      this.make(key);
      pairs.push({ name: keyName(key), at: key.range?.[0], value: this.make(value) });
    }
    return map;
  }

  #list(node: YAMLSeq<Node | null>, at: number | undefined): Written {
    const items: Written[] = [];
    const list = this.#keep(node, { kind: "list", at, items });
    for (const item of node.items) items.push(this.make(item));
    return list;
  }

  #keep(node: Node | null, written: AnchoredNode): AnchoredNode {
    const { anchor } = node as { readonly anchor?: string } ?? {};
    if (anchor !== undefined) this.#anchors.set(anchor, written);
    return written;
  }
}

/** A key as it is written, also where YAML reads a number; undefined when it is no scalar. */
function keyName(key: Node): string | undefined {
  if (!isScalar(key) || key.value === null) return undefined;
  return typeof key.value === "string" ? key.value : key.source ?? String(key.value);
}
