/**
 * What a `RewriteCond` asks → what a route of ours can ask, or what is known beforehand. Files are
 * asked for apart: whether there is one is decided where they are served.
 */
import { Unsayable } from "../import/chain.ts";
import { ALWAYS, bothOf, METHOD, noneOf, type RequestMatch } from "../import/request_match.ts";
import { literal, type TextTest } from "../import/text_tests.ts";
import { networkOf } from "./access.ts";
import type { RewriteCondition } from "./rewrite_rule.ts";
import { caseOf } from "./spaces.ts";

export interface FileCondition {
  /** An ending that the path gets first, such as `.php`. */
  readonly ending: string;
  readonly kind: "file" | "directory";
  readonly isNegative: boolean;
}

export interface ReadConditions {
  readonly matches: readonly RequestMatch[];
  readonly files: readonly FileCondition[];
  /** Whether one of the files is enough, in the place of all. */
  readonly isAnyFile: boolean;
  /** Hosts whose groups a target may ask for. */
  readonly hostPattern:
    | { readonly source: string; readonly condition: RewriteCondition }
    | undefined;
  /** Whether the path's test has the groups of the last condition. */
  readonly hasGroups: boolean;
  readonly address:
    | { readonly networks: readonly string[]; readonly isNegative: boolean }
    | undefined;
}

export interface ConditionContext {
  /** The URL of the space, for `%{DOCUMENT_ROOT}`. */
  readonly documentRoot: string;
}

type Read =
  | { readonly kind: "match"; readonly matches: readonly RequestMatch[] }
  | { readonly kind: "file"; readonly file: FileCondition }
  | {
    readonly kind: "address";
    readonly networks: readonly string[];
    readonly isNegative: boolean;
  };

/** @throws {Unsayable} */
export function readConditions(
  conditions: readonly RewriteCondition[],
  context: ConditionContext,
  wantsGroups: boolean,
): ReadConditions {
  let matches: readonly RequestMatch[] = [ALWAYS];
  const files: FileCondition[] = [];
  let isAnyFile = false;
  let address: ReadConditions["address"];
  let hostPattern: ReadConditions["hostPattern"];
  // Groups are those of the last one that has matched; one that must not match has none.
  const end = conditions.findLastIndex(({ isNegative, pattern }) =>
    !isNegative && !/^-\w$/.test(pattern)
  );
  let begin = end;
  while (begin > 0 && conditions[begin - 1]!.isOr) begin--;
  const grouped = end < 0 ? [] : conditions.slice(begin, end + 1);
  const hasGroups = wantsGroups && grouped.length > 0 &&
    grouped.every(({ test, isNegative }) => isOfPath(test) && !isNegative);
  for (let index = 0; index < conditions.length;) {
    let until = index;
    while (conditions[until]?.isOr && until + 1 < conditions.length) until++;
    const group = conditions.slice(index, until + 1);
    index = until + 1;
    const read = group.map((condition) => ({
      condition,
      read: readCondition(condition, context, hasGroups && grouped.includes(condition)),
    }));
    if (read.every(({ read: { kind } }) => kind === "file")) {
      const own = read.flatMap(({ read: it }) => it.kind === "file" ? [it.file] : []);
      if (files.length > 0 && own.length > 1) {
        throw new Unsayable(
          group[0]!.directive,
          "this combination of conditions has no counterpart",
        );
      }
      isAnyFile ||= own.length > 1;
      files.push(...own);
      continue;
    }
    const choices: RequestMatch[] = [];
    for (const { condition, read: one } of read) {
      if (one.kind === "match") choices.push(...one.matches);
      else if (one.kind === "address" && group.length === 1) address = one;
      else {throw new Unsayable(
          condition.directive,
          "this combination of conditions has no counterpart",
        );}
      const isHost = /^%\{(?:HTTP_HOST|SERVER_NAME)\}$/i.test(condition.test);
      if (isHost && !condition.isNegative && group.length === 1) {
        hostPattern = { source: patternSource(condition).source, condition };
      }
    }
    if (read.some(({ read: { kind } }) => kind === "match")) matches = bothOf(matches, choices);
  }
  return { matches, files, isAnyFile, hostPattern, hasGroups, address };
}

function isOfPath(test: string): boolean {
  return /^%\{(?:REQUEST_URI|SCRIPT_NAME|THE_REQUEST)\}$/i.test(test);
}

const HEADERS: Readonly<Record<string, string>> = {
  HTTP_USER_AGENT: "user-agent",
  HTTP_REFERER: "referer",
  HTTP_COOKIE: "cookie",
  HTTP_ACCEPT: "accept",
  HTTP_FORWARDED: "forwarded",
};

const FILE =
  /^(?:%\{(?:REQUEST_FILENAME|SCRIPT_FILENAME)\}|%\{(?:DOCUMENT_ROOT|CONTEXT_DOCUMENT_ROOT)\}\/?(?:%\{(?:REQUEST_FILENAME|REQUEST_URI|SCRIPT_FILENAME)\}|\/?\$[01]))(.*)$/i;

function readCondition(
  condition: RewriteCondition,
  context: ConditionContext,
  wantsGroups: boolean,
): Read {
  const { test, pattern, isNegative, directive } = condition;
  const ending = FILE.exec(test)?.[1];
  if (ending !== undefined && /^-[fdlsxeFU]$/.test(pattern)) {
    const kind = pattern === "-d" ? "directory" : "file";
    if (pattern === "-l" || pattern === "-x") {
      // A symlink is what it leads to; nothing is run as a program.
      return { kind: "match", matches: isNegative ? [ALWAYS] : [] };
    }
    return { kind: "file", file: { ending: ending.replaceAll("\\", ""), kind, isNegative } };
  }
  const matches = (yes: readonly RequestMatch[]): Read => ({
    kind: "match",
    matches: isNegative ? noneOf(yes) : yes,
  });
  const name = /^%\{(.+)\}$/.exec(test)?.[1] ?? test;
  const { source, ignoreCase, text } = patternSource(condition);
  const said = (value: string) => {
    try {
      return new RegExp(source, ignoreCase ? "i" : "").test(value);
    } catch {
      return false;
    }
  };
  const value: TextTest = {
    source,
    ignoreCase,
    isNegative: false,
    ...(wantsGroups && { captures: true }),
  };
  const upper = name.toUpperCase();
  const header = HEADERS[upper] ?? /^HTTP:([\w-]+)$/i.exec(name)?.[1]?.toLowerCase();
  if (header !== undefined) {
    if (header === "x-forwarded-proto" && (text ?? source.replace(/^\^|\$$/g, "")) === "https") {
      return matches([{ scheme: "https" }]);
    }
    // Apache tests the empty text where the field is not there.
    const isMissing = said("");
    const test: RequestMatch = {
      named: { [`headers ${header}`]: [{ ...value, isNegative: false }] },
    };
    const absent: TextTest = { source: "", ignoreCase: false, isNegative: true, simple: "*" };
    return matches(isMissing ? [test, { named: { [`headers ${header}`]: [absent] } }] : [test]);
  }
  switch (upper) {
    case "HTTPS":
    case "REQUEST_SCHEME":
    case "SERVER_PORT": {
      const values = {
        HTTPS: ["on", "off"],
        REQUEST_SCHEME: ["https", "http"],
        SERVER_PORT: ["443", "80"],
      }[upper];
      const [isTls, isPlain] = [said(values[0]!), said(values[1]!)];
      if (isTls === isPlain) return matches(isTls ? [ALWAYS] : []);
      return matches([{ scheme: isTls ? "https" : "http" }]);
    }
    case "HTTP_HOST":
    case "SERVER_NAME":
      return matches([{
        host: [{
          source: source.replace(/\(:\[0-9\]\+\)\?|\(\?::\\d\+\)\?/g, ""),
          ignoreCase: true,
          isNegative: false,
        }],
      }]);
    case "REQUEST_METHOD":
      return matches([{ named: { [METHOD]: [value] } }]);
    case "REQUEST_URI":
    case "SCRIPT_NAME":
      return matches([{ path: [text === undefined ? value : exactPath(text)] }]);
    case "QUERY_STRING":
      return matches([{ named: { "when ${request.query}": [value] } }]);
    case "REMOTE_ADDR": {
      // `^192\.0\.2\.` is a network, as `^192\.0\.2\.1$` is one address.
      const said = /^\^(\d+(?:\\\.\d+){0,2}(?=\\\.$)|\d+(?:\\\.\d+){3}(?=\$$))/.exec(source)?.[1];
      const network = networkOf(text ?? said?.replaceAll("\\", "") ?? "");
      if (network === undefined) break;
      return { kind: "address", networks: [network], isNegative };
    }
    case "ENV:REDIRECT_STATUS":
      // No request has been led elsewhere when its rules are first met.
      return matches(said("") ? [ALWAYS] : []);
    case "DOCUMENT_ROOT":
    case "ENV:BASE":
      return matches(said(context.documentRoot) ? [ALWAYS] : []);
    case "THE_REQUEST": {
      const path = requestLinePath(source);
      if (path !== undefined) {
        return matches([{ path: [{ ...value, source: path, captures: wantsGroups }] }]);
      }
    }
  }
  throw new Unsayable(directive, `no route asks for "${test}"`);
}

/** What a path has to be for `^[A-Z]{3,9}\ /(.*)index\.php\ HTTP/`; a query in it is not asked. */
function requestLinePath(source: string): string | undefined {
  const method = /^\^?(?:\[A-Z\](?:\{\d,?\d*\}|\+)|\(?[A-Z|]+\)?|\\S\+)(?:\\s\+?|\\ | |\[\^ \]\+)?/
    .exec(source)?.[0];
  if (method === undefined || !source.startsWith("/", method.length)) return undefined;
  const path = source.slice(method.length)
    .replace(/(?:\\ | |\\s\+?)(?:HTTP\/?.*)?$/, "$");
  return /\\s|\\ | |\?/.test(path.replace(/\(\?[:=!]|[*+)]\?/g, "")) ? undefined : `^${path}`;
}

interface PatternSource {
  readonly source: string;
  readonly ignoreCase: boolean;
  /** The one text that is meant, where it is one. */
  readonly text: string | undefined;
}

/** `=text`, or an expression. */
function patternSource({ pattern, ignoreCase, directive }: RewriteCondition): PatternSource {
  if (/^(?:-[a-z]+|[<>]|!)/i.test(pattern) && !pattern.startsWith("-/")) {
    throw new Unsayable(directive, `"${pattern}" is no expression`);
  }
  if (pattern.startsWith("=")) {
    const text = pattern.slice(1).replace(/^"(.*)"$/, "$1");
    return { source: `^${literal(text)}$`, ignoreCase, text };
  }
  const { source, ignoreCase: own } = caseOf(pattern);
  return { source, ignoreCase: ignoreCase || own, text: undefined };
}

function exactPath(text: string): TextTest {
  return {
    source: `^${literal(text)}$`,
    ignoreCase: false,
    isNegative: false,
    simple: text,
    exact: text,
    prefix: text,
  };
}
