/**
 * Walks a file and the schema side by side for what valibot leaves out: it stops at a map's first
 * unknown key, and takes a list where a map is wanted. Reads the schema's public fields only.
 */
import type * as v from "valibot";
import { type ConfigNode, formatPath, type NodePath } from "./config_node.ts";
import type { Place } from "./fault.ts";
import { didYouMean, nearest } from "./nearest.ts";

export interface ShapeFault {
  readonly place: Place;
  readonly message: string;
}

export interface ShapeReport {
  readonly faults: readonly ShapeFault[];
  /** Paths of keys that somebody meant to write: their absence is told already. */
  readonly meant: ReadonlySet<string>;
}

/** The fields that kinds of schema have; a pipe has those of its first part. */
interface SchemaFields {
  readonly type: string;
  readonly message?: unknown;
  readonly entries?: Readonly<Record<string, SchemaFields>>;
  readonly item?: SchemaFields;
  readonly value?: SchemaFields;
  readonly wrapped?: SchemaFields;
  readonly options?: readonly SchemaFields[];
}

export function checkShape(root: ConfigNode, schema: v.GenericSchema): ShapeReport {
  const faults: ShapeFault[] = [];
  const meant = new Set<string>();
  visit(root, schema as unknown as SchemaFields, []);
  return { faults, meant };

  function visit(node: ConfigNode, schema: SchemaFields, path: NodePath): void {
    if (schema.type === "optional" || schema.type === "nullable") {
      return visit(node, schema.wrapped!, path);
    }
    if (schema.type === "union") {
      for (const option of schema.options!) {
        if (option.type === "strict_object" && node.content.kind === "map") {
          visit(node, option, path);
        }
      }
      return;
    }
    if (schema.type === "array") {
      node.items.forEach((item, index) => visit(item, schema.item!, [...path, index]));
      return;
    }
    if (schema.type !== "strict_object" && schema.type !== "record") return;
    if (node.content.kind === "list") {
      const what = path.length === 0 ? "The file" : formatPath(path);
      faults.push({ place: node.place, message: `${what} is a list (${schema.message})` });
      return;
    }
    for (const [key, entry] of node.entries) {
      const known = schema.type === "record" ? schema.value : ownEntry(schema, key);
      if (known !== undefined) visit(entry.node, known, [...path, key]);
      else faults.push(unknownKey(key, entry.keyPlace, Object.keys(schema.entries!), path));
    }
  }

  function unknownKey(key: string, place: Place, known: string[], path: NodePath): ShapeFault {
    const near = nearest(key, known);
    if (near !== undefined) meant.add(formatPath([...path, near]));
    return { place, message: `Unknown key "${key}" (${didYouMean(key, known)})` };
  }
}

function ownEntry(schema: SchemaFields, key: string): SchemaFields | undefined {
  return Object.hasOwn(schema.entries!, key) ? schema.entries![key] : undefined;
}
