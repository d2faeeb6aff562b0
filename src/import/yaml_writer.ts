/** The configuration as YAML, with a comment before each part that says where it comes from. */
import { Document, isMap, type Node, YAMLMap, YAMLSeq } from "yaml";
import { type Note, NOTE_KINDS } from "./notes.ts";

/** A part of the configuration that was made of a directive. */
export interface Part {
  readonly comment: string;
  readonly value: Readonly<Record<string, unknown>>;
}

export interface SiteDeps {
  readonly site: Part;
  readonly routes: readonly Part[];
}

export interface ConfigParts {
  readonly listen: readonly unknown[];
  readonly upstreams: readonly (Part & { readonly name: string })[];
  /** Tables of values. */
  readonly maps?: readonly (Part & { readonly name: string })[];
  readonly sites: readonly SiteDeps[];
  readonly limits?: Readonly<Record<string, unknown>>;
  /** Other keys of the file, such as `acme` and `map`. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

const HEADINGS: Readonly<Record<Note["kind"], string>> = {
  refused: "Refused, because it could not be said without opening more than before:",
  lost: "Not carried over:",
  differs: "Carried over, with a difference:",
  unneeded: "Nothing is needed for:",
};

/** `source` says whose configuration it was: `nginx of shop.conf`. */
export function writeConfig(config: ConfigParts, source: string, notes: readonly Note[]): string {
  const document = new Document({});
  const root = document.contents as unknown as YAMLMap;
  root.set("listen", document.createNode(config.listen));
  for (const [key, value] of Object.entries(config.settings ?? {})) {
    root.set(key, document.createNode(value));
  }
  if (config.upstreams.length > 0) root.set("upstreams", namedParts(document, config.upstreams));
  if (config.maps?.length) root.set("map", namedParts(document, config.maps));
  const sites = new YAMLSeq();
  for (const { site, routes } of config.sites) {
    const node = commented(document, site);
    const list = new YAMLSeq();
    for (const route of routes) list.add(commented(document, route));
    node.set("routes", list);
    sites.add(node);
  }
  root.set("sites", sites);
  if (config.limits !== undefined) root.set("limits", document.createNode(config.limits));
  const text = document.toString({ lineWidth: 100 });
  return [`# Made by afcgi import ${source}`, "", text, ...noteLines(notes)].join("\n");
}

function namedParts(
  document: Document,
  parts: readonly (Part & { readonly name: string })[],
): YAMLMap {
  const map = new YAMLMap();
  for (const { name, comment, value } of parts) {
    const node = document.createNode(name) as Node;
    if (comment !== "") node.commentBefore = ` ${comment}`;
    map.set(node, leaf(document, value));
  }
  return map;
}

/** The notes as comments, those that need somebody's eye first. */
function noteLines(notes: readonly Note[]): string[] {
  const lines: string[] = [];
  for (const kind of NOTE_KINDS) {
    const found = notes.filter((note) => note.kind === kind);
    if (found.length === 0) continue;
    lines.push(
      `# ${HEADINGS[kind]}`,
      ...found.map(({ place, text }) => `#   ${place}: ${text}`),
      "",
    );
  }
  return lines;
}

function commented(document: Document, { comment, value }: Part): YAMLMap {
  const node = leaf(document, value) as YAMLMap;
  if (comment !== "") node.commentBefore = comment.split("\n").map((line) => ` ${line}`).join("\n");
  return node;
}

const LINE_LENGTH = 80;

/** Maps within it stand on one line where they fit. */
function leaf(document: Document, value: unknown): Node {
  const node = document.createNode(value) as Node;
  if (!isMap(node)) return node;
  for (const { value: inner } of node.items) {
    if (isMap(inner)) (inner as YAMLMap).flow = JSON.stringify(inner).length < LINE_LENGTH;
  }
  return node;
}
