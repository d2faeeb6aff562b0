/**
 * `if (…)` → what a route asks of a request, and what one asks where it does not hold. What is known
 * from the file alone is decided here.
 */
import { isExpressionOfOurs, plainValue, type Regex } from "./expressions.ts";
import type { Directive } from "./parser.ts";
import { validReferers } from "./referers.ts";
import type { Conditions } from "./route_conditions.ts";
import type { Scope } from "./scope.ts";
import { toTemplate, variablesIn, type VariableValues } from "./variables.ts";

export type ReadCondition =
  | { readonly kind: "known"; readonly holds: boolean }
  | {
    readonly kind: "asked";
    readonly yes: Conditions;
    readonly no: Conditions;
    /** `yes` is that the path matches this, so that its groups may be named. */
    readonly path?: Regex;
  };

/** Where files of `-f` are. */
export interface FilePlace {
  readonly root: string | undefined;
  /** What a route says of the root, where it is not the site's. */
  readonly keys: Pick<Conditions, "root" | "strip_prefix">;
  /** Of the client's path below that root. */
  readonly path: string;
  readonly isDirectory: (path: string) => boolean;
  /** The block that the condition stands in. */
  readonly scope: Scope;
}

/** What the way of a request decides and nothing before: no condition knows it. */
const LATE = /^(?:ssl_client_|upstream_|sent_http_|invalid_referer$)/;

/** Undefined where it cannot be said. */
export function readCondition(
  directive: Directive,
  values: VariableValues,
  place: FilePlace,
): ReadCondition | undefined {
  const words = wordsOf(directive);
  const [first = "", operator, value] = words;
  if (/^\$\{?invalid_referer\}?$/.test(first) && operator === undefined) {
    const patterns = validReferers(place.scope);
    const text = "${request.header.referer}";
    return patterns && {
      kind: "asked",
      yes: { when: { [text]: { not: patterns } } },
      no: { when: { [text]: patterns } },
    };
  }
  if (/^!?-[fdex]$/.test(first) && words.length === 2) {
    return aboutFile(first, operator!, values, place);
  }
  if (!/^\$(?:\w+|\{\w+\})$/.test(first) || words.length > 3) return undefined;
  if (variablesIn(first).some((name) => LATE.test(name) && values.set?.get(name) === undefined)) {
    return undefined;
  }
  if (/^\$\{?server_port\}?$/.test(first) && values.port === undefined) {
    return aboutPort(operator, value, values);
  }
  const template = toTemplate(first, values);
  if (template === undefined) return undefined;
  if (operator === undefined) return truth(template);
  if (value === undefined) return undefined;
  if (operator === "=" || operator === "!=") {
    const wanted = toTemplate(value, values);
    if (wanted === undefined || wanted.includes("${")) return undefined;
    return turned(equal(template, wanted), operator === "!=");
  }
  if (!/^!?~\*?$/.test(operator)) return undefined;
  const regex = { source: value, anyCase: operator.endsWith("*") };
  return turned(matching(template, regex), operator.startsWith("!"));
}

/** The port that a client names need not be the listener's; the scheme is. */
function aboutPort(
  operator: string | undefined,
  value: string | undefined,
  { schemes }: VariableValues,
): ReadCondition | undefined {
  if (schemes === undefined || value === undefined || !/^!?=$/.test(operator ?? "")) {
    return undefined;
  }
  const scheme = schemes.get(value);
  if (scheme === undefined) return turned({ kind: "known", holds: false }, operator === "!=");
  const other = scheme === "http" ? "https" : "http";
  return turned(
    { kind: "asked", yes: { scheme }, no: { scheme: other } },
    operator === "!=",
  );
}

/** Without the parentheses around them; one behind a quoted text is a word of its own. */
function wordsOf({ args }: Directive): string[] {
  const words = args.at(-1) === ")" ? args.slice(0, -1) : [...args];
  if (words.length === args.length) words.push(words.pop()!.replace(/\)$/, ""));
  const first = (words.shift() ?? "").replace(/^\(/, "");
  return first === "" ? words : [first, ...words];
}

function turned(condition: ReadCondition | undefined, isNot: boolean): ReadCondition | undefined {
  if (condition === undefined || !isNot) return condition;
  if (condition.kind === "known") return { kind: "known", holds: !condition.holds };
  return { kind: "asked", yes: condition.no, no: condition.yes };
}

function asked(template: string, pattern: string): ReadCondition {
  return {
    kind: "asked",
    yes: { when: { [template]: pattern } },
    no: { when: { [template]: { not: pattern } } },
  };
}

/** Neither empty nor "0". */
function truth(template: string): ReadCondition {
  if (!template.includes("${")) {
    return { kind: "known", holds: template !== "" && template !== "0" };
  }
  return {
    kind: "asked",
    yes: { when: { [template]: { not: ["", "0"] } } },
    no: { when: { [template]: ["", "0"] } },
  };
}

const HEADER = /^\$\{request\.header\.((?!set$|add$|remove$)[a-z0-9-]+)\}$/;

function equal(template: string, value: string): ReadCondition {
  if (!template.includes("${")) return { kind: "known", holds: template === value };
  const plain = asked(template, plainValue(value)) as ReadCondition & { kind: "asked" };
  const header = HEADER.exec(template)?.[1];
  if (template === "${request.scheme}" && /^https?$/.test(value)) {
    const other = value === "http" ? "https" : "http";
    return { kind: "asked", yes: { scheme: value as "http" }, no: { scheme: other } };
  }
  if (template === "${request.host}" && value === value.toLowerCase() && value !== "") {
    return { ...plain, yes: { host: [plainValue(value)] } };
  }
  // A route for GET takes HEAD as well.
  if (template === "${request.method}" && /^(?!GET$|TRACE$|CONNECT$)[A-Z-]+$/.test(value)) {
    return { ...plain, yes: { methods: [value] } };
  }
  if (header !== undefined && value !== "") {
    return { ...plain, yes: { headers: { [header]: plainValue(value) } } };
  }
  return plain;
}

function matching(template: string, regex: Regex): ReadCondition | undefined {
  const { source, anyCase } = regex;
  const pattern = `${anyCase ? "~*" : "~"} ${source}`;
  if (source === "" || !isExpressionOfOurs(pattern)) return undefined;
  if (!template.includes("${")) {
    try {
      return { kind: "known", holds: new RegExp(source, anyCase ? "i" : "").test(template) };
    } catch {
      return undefined;
    }
  }
  const plain = asked(template, pattern) as ReadCondition & { kind: "asked" };
  if (template === "${request.path}") return { ...plain, path: regex };
  if (template === "${request.host}") return { ...plain, yes: { host: [pattern] } };
  const header = HEADER.exec(template)?.[1];
  if (header !== undefined && !matchesNothing(regex)) {
    return { ...plain, yes: { headers: { [header]: pattern } } };
  }
  return plain;
}

/** Whether it fits a field that is not there. */
function matchesNothing({ source, anyCase }: Regex): boolean {
  try {
    return new RegExp(source.replaceAll("(?P<", "(?<"), anyCase ? "i" : "").test("");
  } catch {
    return true;
  }
}

function aboutFile(
  operator: string,
  written: string,
  values: VariableValues,
  place: FilePlace,
): ReadCondition | undefined {
  if (operator.endsWith("x")) return undefined;
  const named = pathBelow(written, values, place);
  if (named === undefined) return undefined;
  const { path, keys } = named;
  const directory = path.endsWith("/") ? path : `${path}/`;
  const kinds = operator.endsWith("f")
    ? [path]
    : operator.endsWith("d")
    ? [directory]
    : [path, directory];
  const paths = kinds.length === 1 ? kinds[0]! : kinds;
  const condition: ReadCondition = {
    kind: "asked",
    yes: { ...keys, exists: paths },
    no: { ...keys, exists: { not: paths } },
  };
  return turned(condition, operator.startsWith("!"));
}

/** A file's name as a path below a root. */
function pathBelow(
  written: string,
  values: VariableValues,
  place: FilePlace,
): { readonly path: string; readonly keys: FilePlace["keys"] } | undefined {
  const { root, keys, path } = place;
  if (root !== undefined && /^\$\{?request_filename\}?/.test(written)) {
    const rest = toTemplate(written.replace(/^\$\{?request_filename\}?/, ""), values);
    return rest === undefined ? undefined : { path: path + rest, keys };
  }
  const below = /^\$\{?(?:document_root|realpath_root)\}?(\/.*|\$.*)$/.exec(written)?.[1];
  if (below !== undefined && root !== undefined) {
    const template = toTemplate(below, values);
    if (template === undefined || keys.strip_prefix !== undefined) return undefined;
    return { path: template, keys };
  }
  const file = toTemplate(written, values);
  if (file === undefined || !/^\/[^$]+\/[^$/]+$/.test(file)) return undefined;
  const end = file.lastIndexOf("/");
  const directory = file.slice(0, end);
  if (directory === root && keys.root === undefined) return { path: file.slice(end), keys: {} };
  return place.isDirectory(directory)
    ? { path: file.slice(end), keys: { root: directory } }
    : undefined;
}
