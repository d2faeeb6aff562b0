/**
 * A key that does not belong where it stands: what was meant. A slip of the finger first, then a
 * name that other web servers have for the same thing, then the map to which the key does belong,
 * the nearest one. Knows the schema by what `unknown_keys.ts` reads of it.
 */
import { anyOf, nearest } from "./nearest.ts";

/** The fields that kinds of schema have; a pipe has those of its first part. */
export interface SchemaFields {
  readonly type: string;
  readonly message?: unknown;
  readonly entries?: Readonly<Record<string, SchemaFields>>;
  readonly item?: SchemaFields;
  readonly value?: SchemaFields;
  /** Of a map that takes names beside its keys: what stands under them. */
  readonly rest?: SchemaFields;
  readonly wrapped?: SchemaFields;
  readonly options?: readonly SchemaFields[];
}

/** Names that other web servers, and our flags, have for keys; a dot leads into a map. */
const OTHER_NAMES: ReadonlyMap<string, string> = new Map([
  ["add_header", "headers"],
  ["address", "listen"],
  ["alias", "root"],
  ["auth_basic", "basic_auth"],
  ["autoindex", "listing"],
  ["client_max_body_size", "limits.request_body"],
  ["code", "status"],
  ["disable_symlinks", "follow_symlinks_to"],
  ["document_root", "root"],
  ["domains", "hosts"],
  ["fastcgi_param", "params"],
  ["fastcgi_pass", "upstream"],
  ["gzip", "compression"],
  ["follow_symlinks", "follow_symlinks_to"],
  ["keepalive", "connections"],
  ["location", "path"],
  ["max_body", "limits.request_body"],
  ["pass", "upstream"],
  ["port", "address"],
  ["proxy", "fastcgi"],
  ["proxy_pass", "fastcgi"],
  ["return", "respond"],
  ["rewrite", "redirect"],
  ["server_name", "hosts"],
  ["ssl", "tls"],
  ["symlinks", "follow_symlinks_to"],
  ["try_files", "front_controller"],
]);

/** More places than these would be no help. */
const PLACES_MAX = 6;

/** A map of the schema with known keys, and the steps that lead there: `sites`, `[]`, `routes`. */
interface KnownMap {
  readonly steps: readonly string[];
  readonly keys: readonly string[];
}

export class MisplacedKeys {
  readonly #maps = new Map<SchemaFields, KnownMap>();

  constructor(root: SchemaFields) {
    this.#add(root, []);
  }

  /** The key of the map that somebody means who writes this one. */
  meant(key: string, map: SchemaFields): string | undefined {
    const known = Object.keys(map.entries!);
    const near = nearest(key, known);
    const other = OTHER_NAMES.get(key)?.split(".") ?? [];
    if (near !== undefined || other.length === 0) return near;
    if (known.includes(other[0]!)) return other.join(".");
    return known.includes(other.at(-1)!) ? other.at(-1) : undefined;
  }

  remedy(key: string, map: SchemaFields): string {
    const known = Object.keys(map.entries!);
    const typed = /^[a-z_]+(?=:)/.exec(key)?.[0];
    if (typed !== undefined && known.includes(typed)) return `write a space after "${typed}:"`;
    if (key === "<<") return "write out what it would merge, or use an alias for a whole map";
    const meant = this.meant(key, map);
    if (meant !== undefined) return `did you mean "${meant}"?`;
    const name = OTHER_NAMES.get(key)?.split(".")[0] ?? key;
    return this.#placesRemedy(key, name, this.#maps.get(map)!.steps) ?? `use ${anyOf(known)}`;
  }

  /** Undefined where no map knows the key, or too many do. */
  #placesRemedy(key: string, meant: string, from: readonly string[]): string | undefined {
    // What is served over Gemini has names of its own, which nobody means elsewhere.
    const places = [...this.#maps.values()].filter(({ keys, steps }) =>
      keys.includes(meant) && (steps[0] === "gemini") === (from[0] === "gemini")
    );
    const least = Math.min(...places.map(({ steps }) => distance(from, steps)));
    const near = places.filter(({ steps }) => distance(from, steps) === least);
    if (near.length === 0 || near.length > PLACES_MAX) return undefined;
    const isBelow = near.every(({ steps }) =>
      shared(from, steps) === from.length && steps.length === from.length + 1
    );
    const paths = anyOf(
      near.map(({ steps }) =>
        pathOf(isBelow ? steps.slice(from.length) : steps) || "the top of the file"
      ),
    );
    if (meant !== key) return `use ${meant} in ${paths}`;
    return isBelow ? `put it into ${paths}` : `it belongs to ${paths}`;
  }

  #add(schema: SchemaFields, steps: readonly string[]): void {
    if (schema.wrapped !== undefined) return this.#add(schema.wrapped, steps);
    for (const option of schema.options ?? []) {
      if (typeof option === "object") this.#add(option, steps);
    }
    if (schema.type === "array") this.#add(schema.item!, [...steps, "[]"]);
    if (schema.type === "record") this.#add(schema.value!, [...steps, "NAME"]);
    if (schema.type === "object_with_rest") this.#add(schema.rest!, [...steps, "NAME"]);
    if (schema.type !== "strict_object") return;
    const entries = Object.entries(schema.entries!);
    this.#maps.set(schema, { steps, keys: entries.map(([key]) => key) });
    for (const [key, entry] of entries) this.#add(entry, [...steps, key]);
  }
}

/** How many steps the two have in common. */
function shared(a: readonly string[], b: readonly string[]): number {
  const end = a.findIndex((step, index) => step !== b[index]);
  return end < 0 ? a.length : end;
}

/** Steps up from one map and down to the other. */
function distance(a: readonly string[], b: readonly string[]): number {
  return a.length + b.length - 2 * shared(a, b);
}

/** `sites[].routes[]` */
function pathOf(steps: readonly string[]): string {
  return steps.map((step) => step === "[]" ? step : `.${step}`).join("").replace(/^\./, "");
}
