/**
 * The directives of a block → steps, in Caddy's order. `rewrite`, `root` and `handle` exclude each
 * other: of each the first that matches counts. A directive that nobody here knows may guard
 * something, so its block is refused.
 */
import { type Step, Unsayable } from "../import/chain.ts";
import type { Directive } from "../import/directive.ts";
import { fileServer } from "./file_server.ts";
import { type Matcher, matcherOf, pathMatcher } from "./matchers.ts";
import * as middleware from "./middleware.ts";
import type { DirectiveReader } from "./middleware.ts";
import { inOrder } from "./order.ts";
import { phpFastCgi } from "./php_fastcgi.ts";
import { abort, error, missingFirst, redir, refusedSteps, respond } from "./responses.ts";
import { reverseProxy } from "./reverse_proxy.ts";
import { rewrite, stripSteps, tryFiles, uri } from "./rewrites.ts";
import { NOTHING_THERE } from "./route_keys.ts";
import type { SiteContext, SiteState } from "./site_state.ts";
import { restricted, whenOf } from "./when.ts";

const READERS: Readonly<Record<string, DirectiveReader>> = {
  root: middleware.root,
  header: middleware.header,
  request_body: middleware.requestBody,
  redir,
  rewrite,
  uri,
  try_files: tryFiles,
  basicauth: middleware.basicAuth,
  basic_auth: middleware.basicAuth,
  forward_auth: middleware.forwardAuth,
  request_header: middleware.requestHeader,
  encode: middleware.encode,
  abort,
  error,
  respond,
  reverse_proxy: reverseProxy,
  php_fastcgi: phpFastCgi,
  file_server: fileServer,
  handle: (directive, context) => blockSteps(directive, context, true),
  handle_path: handlePath,
  route: (directive, context) => blockSteps(directive, context, false),
};

/** What a site says beside its handlers; read elsewhere. */
const ELSEWHERE = new Set(["tls", "bind", "log", "handle_errors"]);
const UNNEEDED = new Set([
  "tracing",
  "skip_log",
  "log_skip",
  "log_name",
  "log_append",
  "push",
  "vars",
]);
/** What excludes its like. */
const GROUPS: Readonly<Record<string, string>> = {
  handle: "handle",
  handle_path: "handle",
  rewrite: "rewrite",
  root: "root",
};

interface Item {
  readonly directive: Directive;
  readonly path: string | undefined;
  readonly hasMatcher: boolean;
}

/** The steps of a block; `isSorted` where the order is Caddy's and not the file's. */
export function stepsOf(
  directives: readonly Directive[],
  outer: SiteContext,
  isSorted: boolean,
): readonly Step<SiteState>[] {
  const matchers = new Map(outer.matchers);
  for (const directive of directives) {
    if (directive.name.startsWith("@")) matchers.set(directive.name, directive);
  }
  const servesFiles = directives.some(({ name, args, block }) =>
    name === "file_server" && args.length === 0 && (block ?? []).every((it) => it.name !== "hide")
  );
  const context: SiteContext = { ...outer, matchers, servesFiles };
  const handlers = directives.filter(({ name }) => !name.startsWith("@") && !ELSEWHERE.has(name));
  const items = handlers.map((directive): Item => ({ directive, ...pathOf(directive, context) }));
  const isKnown = ({ directive: { name } }: Item) => context.globals.order.includes(name);
  const known = items.filter(isKnown);
  const ordered = isSorted
    // Where one of an unknown order stands, it may guard all the others.
    ? [...items.filter((item) => !isKnown(item)), ...inOrder(known, context.globals.order)]
    : items;
  return grouped(ordered, context);
}

function pathOf(
  directive: Directive,
  context: SiteContext,
): { readonly path: string | undefined; readonly hasMatcher: boolean } {
  if (directive.name === "root" && directive.args.length === 1) {
    return { path: undefined, hasMatcher: false };
  }
  try {
    const { matcher } = matcherOf(directive, context);
    return { path: matcher.path, hasMatcher: !matcher.isAlways };
  } catch (caught) {
    if (!(caught instanceof Unsayable)) throw caught;
    return { path: undefined, hasMatcher: true };
  }
}

function grouped(items: readonly Item[], context: SiteContext): readonly Step<SiteState>[] {
  const steps: Step<SiteState>[] = [];
  for (let index = 0; index < items.length;) {
    const group = GROUPS[items[index]!.directive.name];
    let end = index + 1;
    while (group !== undefined && GROUPS[items[end]?.directive.name ?? ""] === group) end++;
    const together = items.slice(index, end).map(({ directive }) => read(directive, context));
    if (together.length === 1) steps.push(...together[0]!);
    else steps.push({ kind: "branch", branches: together.flatMap(branchesOf) });
    index = end;
  }
  return steps;
}

type Branch = Extract<Step<SiteState>, { kind: "branch" }>["branches"][number];

function branchesOf(steps: readonly Step<SiteState>[]): readonly Branch[] {
  const [first, ...others] = steps;
  if (first === undefined) return [];
  if (first.kind === "branch" && others.length === 0) return first.branches;
  if (first.kind === "set") {
    return [{ when: first.when, steps: [{ ...first, when: () => [{}] }, ...others] }];
  }
  if (first.kind === "end") {
    return [{ when: first.when, steps: [{ ...first, when: () => [{}] }, ...others] }];
  }
  return [{ when: () => [{}], steps }];
}

function read(directive: Directive, context: SiteContext): readonly Step<SiteState>[] {
  const reader = Object.hasOwn(READERS, directive.name) ? READERS[directive.name] : undefined;
  if (UNNEEDED.has(directive.name)) {
    context.notes.add("unneeded", directive, "afcgi has its own way");
    return [];
  }
  if (directive.name === "map") {
    context.notes.add("differs", directive, "what uses its values is refused");
    return [];
  }
  if (reader === undefined) {
    return refusedSteps(directive, "it has no counterpart, and may guard something", context);
  }
  try {
    return reader(directive, context);
  } catch (caught) {
    if (!(caught instanceof Unsayable)) throw caught;
    return refusedSteps(caught.directive, caught.message, context);
  }
}

function blockSteps(
  directive: Directive,
  context: SiteContext,
  isSorted: boolean,
): readonly Step<SiteState>[] {
  const { matcher } = matcherOf(directive, context);
  context.notes.take(directive);
  return inBlock(directive, matcher, stepsOf(directive.block ?? [], context, isSorted));
}

function inBlock(
  directive: Directive,
  matcher: Matcher,
  inner: readonly Step<SiteState>[],
): readonly Step<SiteState>[] {
  const { address, file } = matcher;
  if (file !== undefined) return missingFirst(matcher, directive, inner);
  const kept: Step<SiteState>[] = address === undefined
    ? []
    : [{ kind: "set", when: () => [{}], apply: (state) => restricted(state, address, directive) }];
  const steps = [...kept, ...inner];
  return [{ kind: "branch", branches: [{ when: whenOf(matcher, directive), steps }] }];
}

function handlePath(directive: Directive, context: SiteContext): readonly Step<SiteState>[] {
  const [pattern = ""] = directive.args;
  context.notes.take(directive);
  if (!/^\/[^*]*\*?$/.test(pattern)) {
    throw new Unsayable(directive, "it takes one path off");
  }
  const prefix = pattern.replace(/\/?\*?$/, "");
  const inner = stepsOf(directive.block ?? [], context, true);
  // What is taken off minds case here: in another case nothing is there.
  const branches = [
    {
      when: whenOf(pathMatcher([pattern], false), directive),
      steps: [...stripSteps(prefix), ...inner],
    },
    {
      when: whenOf(pathMatcher([pattern]), directive),
      steps: [{
        kind: "end" as const,
        when: () => [{}],
        comment: "",
        routes: () => [NOTHING_THERE],
      }],
    },
  ];
  return [{ kind: "branch", branches }];
}
