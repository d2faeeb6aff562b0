/**
 * valibot's issues → errors: `PATH is VALUE (REMEDY)` at the value's place. A union reports what is
 * wrong with each of its forms; told is the form that was meant.
 */
import type * as v from "valibot";
import { type ConfigNode, formatPath, type NodePath } from "./config_node.ts";
import type { Place } from "./located_error.ts";
import { MASK } from "./secrets.ts";
import type { ShapeError, ShapeReport } from "./unknown_keys.ts";

type Issue = v.BaseIssue<unknown>;

/** The longest value that a message repeats whole. */
const SHOWN_LENGTH_MAX = 60;

export function issueErrors(
  issues: readonly Issue[],
  root: ConfigNode,
  shape: ShapeReport,
): ShapeError[] {
  const told = new Set(shape.errors.map((error) => error.place));
  return issues.flatMap((issue) => meantIssues(issue, [])).flatMap(({ issue, path }) => {
    // Unknown keys are all told by the shape's report.
    if (issue.expected === "never") return [];
    const node = root.at(path);
    if (node.faulty || told.has(node.place)) return [];
    if (isMissingKey(issue)) {
      return shape.meant.has(formatPath(path)) ? [] : [missingKey(path, root)];
    }
    return [{ place: placeOf(issue, path, root), message: messageOf(issue, path, node) }];
  });
}

interface PlacedIssue {
  readonly issue: Issue;
  readonly path: NodePath;
}

/** The issue itself, or those of the union's form that was meant. */
function meantIssues(issue: Issue, around: NodePath): PlacedIssue[] {
  const path = [...around, ...(issue.path ?? []).map((item) => item.key as string | number)];
  const meant = (issue.issues ?? []).filter((inner) =>
    inner.path !== undefined || inner.kind !== "schema"
  );
  if (issue.type !== "union" || meant.length === 0) return [{ issue, path }];
  return meant.flatMap((inner) => meantIssues(inner, path));
}

function isMissingKey(issue: Issue): boolean {
  return issue.type === "strict_object" && issue.received === "undefined";
}

function missingKey(path: NodePath, root: ConfigNode): ShapeError {
  const owner = path.slice(0, -1);
  const what = owner.length === 0 ? "The file" : formatPath(owner);
  return { place: root.at(owner).place, message: `${what} has no key "${path.at(-1)}" (add it)` };
}

/** A key that is wrong itself is told at the key. */
function placeOf(issue: Issue, path: NodePath, root: ConfigNode): Place {
  if (issue.path?.at(-1)?.origin !== "key") return root.at(path).place;
  return root.at(path.slice(0, -1)).entries.get(String(path.at(-1)))?.keyPlace ??
    root.at(path).place;
}

function messageOf(issue: Issue, path: NodePath, node: ConfigNode): string {
  if (issue.type === "raw_transform" || issue.type === "raw_check") return issue.message;
  if (issue.path?.at(-1)?.origin === "key") {
    return `Name ${JSON.stringify(shownKey(path))} cannot be used (${issue.message})`;
  }
  const what = path.length === 0 ? "The file" : formatPath(path);
  return `${what} is ${show(node)} (${issue.message})`;
}

/** Somebody may have written "name:password" for a name. */
function shownKey(path: NodePath): string {
  const key = String(path.at(-1));
  return path.includes("users") ? key.replace(/:.*/s, `:${MASK}`) : key;
}

/** A value as a message names it. */
function show(node: ConfigNode): string {
  const { content } = node;
  if (content.kind === "list") return content.items.length === 0 ? "an empty list" : "a list";
  if (content.kind === "map") return content.entries.size === 0 ? "an empty map" : "a map";
  if (content.value === null) return "empty";
  if (typeof content.value !== "string") return node.shown ?? String(content.value);
  const value = node.shown ?? content.value;
  return JSON.stringify(
    value.length > SHOWN_LENGTH_MAX ? `${value.slice(0, SHOWN_LENGTH_MAX)}…` : value,
  );
}
