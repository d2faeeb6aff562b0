/** Caddy's placeholders → references of our texts (docs/parameters.md). */
import { Unsayable } from "../import/chain.ts";
import type { Directive } from "../import/directive.ts";
import type { SiteContext } from "./site_state.ts";

const REFERENCES: Readonly<Record<string, string>> = {
  path: "request.path",
  "http.request.uri.path": "request.path",
  uri: "request.target",
  "http.request.uri": "request.target",
  "http.request.orig_uri": "request.target",
  orig_uri: "request.target",
  query: "request.query",
  "http.request.uri.query": "request.query",
  host: "request.host",
  "http.request.host": "request.host",
  port: "request.port",
  "http.request.port": "request.port",
  method: "request.method",
  "http.request.method": "request.method",
  scheme: "request.scheme",
  "http.request.scheme": "request.scheme",
  remote_host: "client.address",
  "http.request.remote.host": "client.address",
  client_ip: "client.address",
  "http.vars.client_ip": "client.address",
  remote_port: "client.port",
  "http.request.remote.port": "client.port",
  "http.request.uuid": "request.id",
};

const PLACEHOLDER = /\\\{|\{([a-zA-Z_][\w.\-:]*)\}/g;

/** What a `{re.NAME.1}` stands for is known where its matcher is the route's own. */
const GROUP = /^(?:re|http\.regexp)\.(?:(?<name>[\w-]+)\.)?(?<group>\w+)$/;

/** @throws {Unsayable} for a placeholder that has no counterpart */
export function toTemplate(text: string, directive: Directive, context: SiteContext): string {
  return text.replaceAll("${", "$${").replace(PLACEHOLDER, (all, name: string | undefined) => {
    if (name === undefined) return "{";
    const said = sayPlaceholder(name, context);
    if (said === undefined) throw new Unsayable(directive, `"${all}" has no counterpart`);
    return said;
  });
}

function sayPlaceholder(name: string, { readVariable, isTls }: SiteContext): string | undefined {
  const reference = REFERENCES[name];
  if (reference !== undefined) return `\${${reference}}`;
  const header = /^(?:header|http\.request\.header)\.([\w-]+)$/.exec(name)?.[1];
  if (header !== undefined) return `\${request.header.${header}}`;
  const variable = /^env\.(\w+)$/.exec(name)?.[1];
  if (variable !== undefined) {
    return readVariable(variable) === undefined ? "" : `\${env.${variable}}`;
  }
  const group = GROUP.exec(name)?.groups?.["group"];
  if (group !== undefined) return `\${path.${group}}`;
  if (name === "hostport" || name === "http.request.hostport") {
    return isTls ? "${request.host}" : "${request.host}:${request.port}";
  }
  return undefined;
}

/** Whether it has any. */
export function hasPlaceholder(text: string): boolean {
  return new RegExp(PLACEHOLDER.source).test(text);
}
