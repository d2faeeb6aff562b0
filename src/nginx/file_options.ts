/** `expires`, `gzip_static` and `autoindex` → options of our static handler. */
import type { Notes } from "../import/notes.ts";
import type { Scope } from "./scope.ts";
import { nginxTime } from "./units.ts";

const TEN_YEARS_S = 315_360_000;

export function fileOptions(scope: Scope, notes: Notes): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  const expires = scope.one("expires");
  const said = expires && cacheControl(expires.args);
  if (expires !== undefined && said !== undefined) {
    if (said !== "") options["cache_control"] = { "/*": said };
    notes.add("differs", expires, "Cache-Control says it, there is no Expires");
  }
  const packed = scope.one("gzip_static");
  if (packed !== undefined && packed.args[0] === "on") options["precompressed"] = ["gzip"];
  const listing = scope.one("autoindex");
  if (listing !== undefined && listing.args[0] === "on") options["listing"] = true;
  notes.take(packed, listing);
  return options;
}

/** Empty for "off"; undefined for what cannot be said. */
function cacheControl(args: readonly string[]): string | undefined {
  const [time = ""] = args;
  if (args.length !== 1) return undefined;
  if (time === "off") return "";
  if (time === "max") return `max-age=${TEN_YEARS_S}`;
  if (time === "epoch" || time.startsWith("-")) return "no-cache";
  const timeMs = nginxTime(time.replace(/^\+/, ""));
  return timeMs === undefined ? undefined : `max-age=${Math.floor(timeMs / 1000)}`;
}
