/** `client_max_body_size` → limits of the file, of a site, of a route, each where it differs. */
import type { Notes } from "../import/notes.ts";
import type { Scope } from "./scope.ts";
import { nginxSize, sizeText } from "./units.ts";

/** nginx's default. */
const BODY_MAX = 1024 ** 2;

/** Bytes; infinity where there is no limit. */
export function bodyMaxOf(scope: Scope, notes: Notes): number {
  const directive = scope.one("client_max_body_size");
  const bytes = directive && nginxSize(directive.args[0] ?? "");
  if (directive === undefined) return BODY_MAX;
  if (bytes === undefined) {
    notes.add("lost", directive, "it is no size, so nginx's default holds");
    return BODY_MAX;
  }
  notes.take(directive);
  return bytes === 0 ? Infinity : bytes;
}

/** The key for a part of the file in which this limit holds; nothing where the one around it does. */
export function bodyLimits(
  bodyMax: number,
  outerMax: number | undefined,
): { readonly limits?: { readonly request_body: string } } {
  if (bodyMax === outerMax) return {};
  return { limits: { request_body: sizeText(bodyMax === Infinity ? 0 : bodyMax) } };
}
