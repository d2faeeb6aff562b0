/** The second word of a `RewriteRule` → a template of ours. */
import { Unsayable } from "../import/chain.ts";
import type { VhostContext } from "./state.ts";
import type { RewriteRule } from "./rewrite_rule.ts";

export interface TargetGroups {
  /** Whether `$1` is a group of the route's path. */
  readonly ofRule: boolean;
  /** Whether `%1` is one. */
  readonly ofCondition: boolean;
  /** What `%1` is for the host that is asked for. */
  readonly ofHost: readonly string[] | undefined;
  /** What the variable BASE of Symfony's and others' rules is. */
  readonly base: string;
}

const VARIABLES: Readonly<Record<string, string>> = {
  REQUEST_URI: "${request.path}",
  SCRIPT_NAME: "${request.path}",
  HTTP_HOST: "${request.host}",
  QUERY_STRING: "${request.query}",
  REQUEST_SCHEME: "${request.scheme}",
  REQUEST_METHOD: "${request.method}",
  REMOTE_ADDR: "${client.address}",
  SERVER_PORT: "${request.port}",
};

const PART = /\\([$%])|\$(\d)|%(\d)|%\{([^}]+)\}|\$\{[^}]*\}/g;

/** @throws {Unsayable} */
export function targetTemplate(
  text: string,
  { directive }: RewriteRule,
  groups: TargetGroups,
  { serverName }: VhostContext,
): string {
  return text.replace(PART, (all, escaped, ofRule, ofCondition, variable: string | undefined) => {
    if (escaped !== undefined) return escaped;
    if (ofRule !== undefined && groups.ofRule && ofRule !== "0") return `\${path.${ofRule}}`;
    if (ofCondition !== undefined) {
      if (groups.ofHost !== undefined) return groups.ofHost[Number(ofCondition)] ?? "";
      if (groups.ofCondition && ofCondition !== "0") return `\${path.${ofCondition}}`;
    }
    const said = variable && sayVariable(variable, groups.base, serverName);
    if (said !== undefined && said !== "") return said;
    if (said === "" && variable !== undefined) return "";
    throw new Unsayable(directive, `"${all}" has no counterpart`);
  });
}

function sayVariable(name: string, base: string, serverName: string): string | undefined {
  const upper = name.toUpperCase();
  if (upper === "SERVER_NAME") return serverName || "${request.host}";
  if (upper === "ENV:BASE" || upper === "ENV:CWD" || upper === "ENV:REWRITEBASE") return base;
  if (upper === "ENV:PROTOSSL") return "${protossl}";
  const header = /^HTTP:([\w-]+)$/i.exec(name)?.[1] ?? /^HTTP_(\w+)$/.exec(upper)?.[1];
  if (VARIABLES[upper] !== undefined) return VARIABLES[upper];
  return header && `\${request.header.${header.toLowerCase().replaceAll("_", "-")}}`;
}

/** The path of a target with its query, as our `rewrite` takes it. */
export function rewriteTo(to: string, { flags }: RewriteRule): string {
  const mark = to.indexOf("?");
  const path = mark < 0 ? to : to.slice(0, mark);
  const query = mark < 0 ? "" : to.slice(mark + 1).replace(/\?$/, "");
  const keeps = flags.has("QSA") || (mark < 0 && !flags.has("QSD"));
  if (query === "") return keeps ? path : `${path}?`;
  const own = query.replace(/(?:^|&)\$\{request\.query\}/, "");
  const isKept = keeps || own !== query;
  return `${path}?${own}${isKept ? "" : "?"}`;
}
