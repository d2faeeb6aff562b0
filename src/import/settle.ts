/**
 * Makes sure that what an importer writes is a file that `afcgi check` takes: what is wrong with a
 * route closes the route, what is wrong with a closed route or beside routes closes the site, and a
 * route that can never match is left out. Who reads the file is handed in: this knows no key.
 */
import { isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import type { Note } from "./notes.ts";
import { type ConfigParts, type Part, type SiteDeps, writeConfig } from "./yaml_writer.ts";

/** What is wrong with a file, and where. */
export interface FileError {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export interface Settled {
  readonly yaml: string;
  readonly notes: readonly Note[];
  /** Places of sites that ended closed by it. */
  readonly closed: readonly string[];
}

/** Each round mends at least one error. */
const ROUNDS_MAX = 500;

/** Undefined where no file can be made of it. */
export function settle(
  config: ConfigParts,
  source: string,
  notes: readonly Note[],
  errorsOf: (yaml: string) => readonly FileError[],
): Settled | undefined {
  const all = [...notes];
  const closed: string[] = [];
  let parts = config;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const yaml = writeConfig(parts, source, all);
    const [error] = errorsOf(yaml);
    if (error === undefined) return { yaml, notes: all, closed };
    const path = placeIn(yaml, error);
    const mended = mend(parts, path, error.message, (note, name) => {
      all.push(note);
      if (name !== undefined) closed.push(name);
    });
    if (mended === undefined) return undefined;
    parts = mended;
  }
  return undefined;
}

type Tell = (note: Note, closedSite?: string) => void;

function mend(
  config: ConfigParts,
  path: readonly (string | number)[],
  message: string,
  tell: Tell,
): ConfigParts | undefined {
  const [top, index, key, at] = path;
  if (top === "sites" && typeof index === "number") {
    const site = config.sites[index];
    if (site === undefined) return undefined;
    const mended = key === "routes" && typeof at === "number"
      ? mendRoute(site, at, message, tell)
      : closeSite(site, message, tell);
    if (mended === undefined) return undefined;
    return { ...config, sites: config.sites.toSpliced(index, 1, ...mended) };
  }
  if (top === "upstreams" && typeof index === "string") {
    return withoutUpstream(config, index, message, tell);
  }
  if (top === "listen" && typeof index === "number") {
    tell({ kind: "refused", place: "listen", text: `${textOf(config.listen[index])}: ${message}` });
    return { ...config, listen: config.listen.toSpliced(index, 1) };
  }
  if (typeof top === "string" && config.settings !== undefined && top in config.settings) {
    tell({ kind: "lost", place: top, text: message });
    const { [top]: _lost, ...settings } = config.settings;
    return { ...config, settings };
  }
  return undefined;
}

const CONDITIONS = ["path", "methods", "scheme", "host", "cookie", "query", "when"];

function mendRoute(
  site: SiteDeps,
  at: number,
  message: string,
  tell: Tell,
): readonly SiteDeps[] | undefined {
  const route = site.routes[at];
  if (route === undefined) return closeSite(site, message, tell);
  if (message.includes("never matches")) {
    const next = site.routes[at + 1];
    // What it says of where it comes from goes to the one behind it.
    const after = next?.comment === "" ? [{ ...next, comment: route.comment }] : [];
    return [{ ...site, routes: site.routes.toSpliced(at, 1 + after.length, ...after) }];
  }
  if (isRefusal(route)) return closeSite(site, message, tell);
  tell({ kind: "refused", place: placeOf(route, site), text: message });
  const kept = Object.entries(route.value).filter(([key]) => CONDITIONS.includes(key));
  const { set: _set, add: _add, remove: _remove, ...headers } =
    (route.value["headers"] ?? {}) as Record<string, unknown>;
  const value = {
    ...Object.fromEntries(kept),
    ...(Object.keys(headers).length > 0 && { headers }),
    respond: { status: 403 },
  };
  return [{ ...site, routes: site.routes.toSpliced(at, 1, { comment: route.comment, value }) }];
}

function isRefusal({ value }: Part): boolean {
  return Number((value["respond"] as { status?: number } | undefined)?.status ?? 0) >= 400;
}

/** One that is closed already and still wrong is left out: no host leads to it. */
function closeSite(site: SiteDeps, message: string, tell: Tell): readonly SiteDeps[] {
  const name = site.site.comment.split("\n")[0] ?? "";
  const { hosts, listen } = site.site.value;
  const keys = Object.keys(site.site.value);
  if (keys.every((key) => key === "hosts" || key === "listen") && site.routes.every(isClosed)) {
    tell({ kind: "lost", place: name, text: message }, name);
    return [];
  }
  tell({ kind: "refused", place: name, text: message }, name);
  return [{
    site: {
      comment: site.site.comment,
      value: { ...(hosts !== undefined && { hosts }), ...(listen !== undefined && { listen }) },
    },
    routes: [{ comment: "", value: { respond: { status: 403 } } }],
  }];
}

function isClosed({ value }: Part): boolean {
  return Object.keys(value).length === 1 && isRefusal({ comment: "", value });
}

function withoutUpstream(
  config: ConfigParts,
  name: string,
  message: string,
  tell: Tell,
): ConfigParts {
  tell({ kind: "refused", place: `upstream ${name}`, text: message });
  const uses = (value: unknown): boolean =>
    typeof value === "object" && value !== null &&
    Object.entries(value).some(([key, inner]) => key === "upstream" ? inner === name : uses(inner));
  const sites = config.sites.map((site) => ({
    ...site,
    routes: site.routes.map((route) => {
      if (!uses(route.value)) return route;
      const kept = Object.entries(route.value).filter(([key]) => CONDITIONS.includes(key));
      const value = { ...Object.fromEntries(kept), respond: { status: 502 } };
      return { comment: route.comment, value };
    }),
  }));
  return {
    ...config,
    sites,
    upstreams: config.upstreams.filter((upstream) => upstream.name !== name),
  };
}

function placeOf(route: Part, site: SiteDeps): string {
  return route.comment.split("\n")[0] || (site.site.comment.split("\n")[0] ?? "");
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The keys and indexes that lead to a place of the text. */
function placeIn(yaml: string, { line, column }: FileError): readonly (string | number)[] {
  const lines = new LineCounter();
  const document = parseDocument(yaml, { lineCounter: lines });
  const offset = (lines.lineStarts[line - 1] ?? 0) + column - 1;
  const holds = (node: unknown): boolean => {
    const range = (node as { range?: readonly number[] | null } | null)?.range;
    return range != null && range[0]! <= offset && offset < Math.max(range[1]!, range[0]! + 1);
  };
  const path: (string | number)[] = [];
  let node: unknown = document.contents;
  for (;;) {
    if (isMap(node)) {
      const pair = node.items.find(({ key, value }) => holds(key) || holds(value));
      if (pair === undefined || !isScalar(pair.key)) return path;
      path.push(String(pair.key.value));
      node = pair.value;
    } else if (isSeq(node)) {
      const index = node.items.findIndex(holds);
      if (index < 0) return path;
      path.push(index);
      node = node.items[index];
    } else return path;
  }
}
