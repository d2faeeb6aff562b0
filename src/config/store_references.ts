/**
 * Where copies of responses go (`store`): a directory that is there, and no route that lets only some
 * have its responses, because a copy is for everybody who gets the file.
 */
import type { Files } from "../runtime/files.ts";
import { describeUnusable, kindAt } from "../runtime/kind_at.ts";
import type { ConfigNode } from "./config_node.ts";
import type { Place } from "./located_error.ts";
import { resolvePath } from "./paths.ts";

export interface StoreContext {
  readonly files: Files;
  /** Where relative paths start. */
  readonly directory: string;
  readonly hasRoot: boolean;
}

/** What keeps some out of a route. */
const GUARDS = ["basic_auth", "ip_restriction", "authorize", "forward_auth", "client_auth"];

export function checkStore(
  route: ConfigNode,
  handler: ConfigNode,
  context: StoreContext,
  tell: (place: Place, message: string) => void,
): void {
  const entry = handler.entries.get("store");
  if (entry === undefined || entry.node.toPlain() === false) return;
  const guard = GUARDS.find((key) => route.get(key) !== undefined);
  if (guard !== undefined) {
    const what = `The route has ${guard}, but a copy is for everybody who gets the file`;
    tell(entry.keyPlace, `${what} (take store out, or ${guard})`);
  }
  const directory = entry.node.content.kind === "map" ? entry.node.get("directory") : entry.node;
  if (directory?.text === undefined) {
    if (!context.hasRoot) {
      tell(entry.keyPlace, "The copies have no directory (name it, or add root to the site)");
    }
    return;
  }
  const path = resolvePath(context.directory, directory.text);
  const kind = kindAt(context.files, path);
  if (kind === undefined) {
    tell(directory.place, `There is no directory "${path}" (create it, or name another)`);
  } else if (kind !== "directory") {
    tell(
      directory.place,
      describeUnusable(kind, `"${path}" is not a directory (name a directory)`),
    );
  }
}
