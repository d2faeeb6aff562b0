/**
 * Walks a file and the schema side by side for what valibot leaves out: it stops at a map's first
 * unknown key, and takes a list where a map is wanted. Reads the schema's public fields only.
 */
import type * as v from "valibot";
import { type ConfigNode, formatPath, type NodePath } from "./config_node.ts";
import type { Place } from "./located_error.ts";
import { MisplacedKeys, type SchemaFields } from "./misplaced_keys.ts";
import { removedKeyMessage } from "./removed_keys.ts";

const MAPS: ReadonlySet<string> = new Set(["strict_object", "object_with_rest", "record"]);

export interface ShapeError {
  readonly place: Place;
  readonly message: string;
}

export interface ShapeReport {
  readonly errors: readonly ShapeError[];
  /** Paths of keys that somebody meant to write: their absence is told already. */
  readonly meant: ReadonlySet<string>;
}

export function checkShape(root: ConfigNode, schema: v.GenericSchema): ShapeReport {
  const errors: ShapeError[] = [];
  const meant = new Set<string>();
  let misplaced: MisplacedKeys | undefined;
  /** Lists that were looked at, with what was expected of them: one may stand at several places. */
  const seen = new Map<ConfigNode, SchemaFields>();
  /** Of the value that is visited. */
  const path: (string | number)[] = [];
  visit(root, schema as unknown as SchemaFields);
  return { errors, meant };

  function visit(node: ConfigNode, schema: SchemaFields): void {
    if (schema.type === "optional" || schema.type === "nullable") {
      return visit(node, schema.wrapped!);
    }
    if (schema.type === "union") {
      for (const option of schema.options!) {
        if (option.type === "strict_object" && node.content.kind === "map") visit(node, option);
      }
      return;
    }
    if (schema.type === "array") {
      if (seen.get(node) === schema) return;
      seen.set(node, schema);
      node.items.forEach((item, index) => visitBelow(index, item, schema.item!));
      return;
    }
    if (!MAPS.has(schema.type)) return;
    if (node.content.kind === "list") {
      const what = path.length === 0 ? "The file" : formatPath(path);
      const remedy = remedyOf(schema, node.toPlain());
      errors.push({ place: node.place, message: `${what} is a list (${remedy})` });
      return;
    }
    for (const [key, entry] of node.entries) {
      const known = schema.type === "record" ? schema.value : ownEntry(schema, key) ?? schema.rest;
      if (known !== undefined) visitBelow(key, entry.node, known);
      else errors.push(unknownKey(key, entry.keyPlace, schema, path));
    }
  }

  function visitBelow(step: string | number, node: ConfigNode, schema: SchemaFields): void {
    path.push(step);
    visit(node, schema);
    path.pop();
  }

  function unknownKey(key: string, place: Place, map: SchemaFields, path: NodePath): ShapeError {
    const removed = removedKeyMessage(key);
    if (removed !== undefined) return { place, message: removed };
    misplaced ??= new MisplacedKeys(schema as unknown as SchemaFields);
    const other = misplaced.meant(key, map);
    if (other !== undefined) meant.add(formatPath([...path, other]));
    return { place, message: `Unknown key ${JSON.stringify(key)} (${misplaced.remedy(key, map)})` };
  }
}

/** What the schema would say of such a value. */
function remedyOf({ message }: SchemaFields, input: unknown): string {
  return typeof message === "function" ? message({ input }) : String(message);
}

function ownEntry(schema: SchemaFields, key: string): SchemaFields | undefined {
  return Object.hasOwn(schema.entries!, key) ? schema.entries![key] : undefined;
}
