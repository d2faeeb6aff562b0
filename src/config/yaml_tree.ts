/**
 * YAML as it is written: maps, lists and values with their offsets. Two make such a tree:
 * `simple_yaml.ts` of what most files consist of, and `any_yaml.ts` of everything.
 */

/** What YAML makes of a text. */
export type ReadYaml =
  | { readonly error: YamlError }
  /** Undefined where there is nothing in the text; `isShared` as `shared_values.ts` says. */
  | { readonly written: Written | undefined; readonly isShared?: boolean };

export interface YamlError {
  readonly offset: number;
  readonly message: string;
}

/** Values in a file once its aliases are unfolded. */
export const NODES_MAX = 100_000;
/** Maps and lists within each other. */
export const DEPTH_MAX = 32;

export type Written = AnchoredNode | WrittenAlias;

/** What an anchor may stand before. */
export type AnchoredNode = WrittenScalar | WrittenList | WrittenMap;

interface WrittenNode {
  /** Its offset in the text; undefined for nothing, which has no place that anyone would look at. */
  readonly at: number | undefined;
}

export interface WrittenScalar extends WrittenNode {
  readonly kind: "scalar";
  readonly value: unknown;
}

export interface WrittenList extends WrittenNode {
  readonly kind: "list";
  readonly items: readonly Written[];
}

export interface WrittenMap extends WrittenNode {
  readonly kind: "map";
  readonly pairs: readonly WrittenPair[];
}

export interface WrittenAlias extends WrittenNode {
  readonly kind: "alias";
  readonly name: string;
  /** The last anchor of that name before it; undefined where there is none. */
  readonly target: AnchoredNode | undefined;
}

export interface WrittenPair {
  /** As it is written, also where YAML reads a number; undefined when it is no scalar. */
  readonly name: string | undefined;
  /** Of the key. */
  readonly at: number | undefined;
  readonly value: Written;
}
