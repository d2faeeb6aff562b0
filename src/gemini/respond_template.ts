/**
 * META of a `respond` route: `%p` path, `%q` query, `%P` port, `%N` server name, `%%` a per cent
 * sign. Path and query are put in encoded, so a client cannot write into the header.
 */
import type { GeminiRequest } from "./request.ts";

/** One line, no longer than META, in which each per cent sign has a letter that means something. */
// deno-lint-ignore no-control-regex
export const TEMPLATE_PATTERN = /^(?:[^%\x00-\x1f\x7f]|%[pqPN%]){0,1024}$/;

export function expandMeta(template: string, { uri, port }: GeminiRequest): string {
  return template.replace(/%([pqPN%])/g, (_, letter: string) => {
    switch (letter) {
      case "p":
        return uri.encodedPath;
      case "q":
        return uri.query ?? "";
      case "P":
        return String(port);
      case "N":
        return uri.host;
      default:
        return "%";
    }
  });
}
