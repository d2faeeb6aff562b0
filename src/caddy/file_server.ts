/** `file_server` → `static`, with what `try_files` has said, and what it hides. */
import { type RouteValue, type Step, Unsayable } from "../import/chain.ts";
import type { Directive } from "../import/directive.ts";
import { anyOf, literal, type TextTest } from "../import/text_tests.ts";
import { matcherOf } from "./matchers.ts";
import type { DirectiveReader } from "./middleware.ts";
import { missingFirst } from "./responses.ts";
import { fileKeys, NOTHING_THERE } from "./route_keys.ts";
import type { SiteContext, SiteState } from "./site_state.ts";
import { commentOf, lettingIn, whenOf } from "./when.ts";

const INDEXES = ["index.html", "index.txt"];

export const fileServer: DirectiveReader = (directive, context) => {
  const { matcher, args } = matcherOf(directive, context);
  const { notes } = context;
  const lines = directive.block ?? [];
  const said = (name: string) => lines.find((line) => line.name === name);
  for (const line of lines) {
    if (["disable_canonical_uris", "fs", "status", "etag_file_extensions"].includes(line.name)) {
      notes.add("lost", line, "it has no counterpart");
    } else notes.take(line);
  }
  notes.take(directive);
  const precompressed = said("precompressed");
  const encodings = (precompressed?.args ?? []).filter((it) => ["gzip", "zstd", "br"].includes(it));
  const handler = {
    index: said("index")?.args ?? INDEXES,
    ...(precompressed &&
      { precompressed: encodings.length > 0 ? encodings : ["br", "zstd", "gzip"] }),
    ...((args.includes("browse") || said("browse")) && { listing: true }),
  };
  const root = said("root")?.args[0];
  const passesOn = said("pass_thru") !== undefined;
  const withRoot = (state: SiteState) => root === undefined ? state : { ...state, root };
  const when = matcher.file === undefined ? whenOf(matcher, directive) : () => [{}];
  const hidden = lines.filter(({ name }) => name === "hide").flatMap((line) => line.args);
  const steps: Step<SiteState>[] = [
    ...lettingIn(matcher, when, directive),
    ...hideSteps(hidden, when, directive, root),
    {
      kind: "end",
      when,
      comment: commentOf(directive),
      routes: (state) => staticRoutes(withRoot(state), handler, directive, context, passesOn),
      passesOn,
    },
  ];
  return missingFirst(matcher, directive, steps);
};

function staticRoutes(
  state: SiteState,
  handler: RouteValue,
  directive: Directive,
  context: SiteContext,
  passesOn: boolean,
): readonly RouteValue[] {
  if (state.root === undefined) throw new Unsayable(directive, "its files have no root");
  const keys = fileKeys(state, context);
  if (state.existence === "missing") return passesOn ? [] : [nothing(state)];
  const plain: RouteValue = { ...keys, static: handler };
  if (state.existence === "there") return [plain];
  if (state.tries === undefined) return passesOn ? [plain] : [plain, nothing(state)];
  const routes: RouteValue[] = [];
  const files = state.tries.includes("folder")
    ? plain
    : { ...keys, static: { ...handler, index: [] } };
  for (const tried of state.tries) {
    if (tried === "file" || tried === "folder") {
      if (!routes.includes(files)) routes.push(files);
    } else if (tried.startsWith("=")) {
      routes.push({ ...state.keys, respond: { status: Number(tried.slice(1)) } });
      return routes;
    } else {
      if (state.prefix !== "") throw new Unsayable(directive, "the path has been changed before");
      const to = tried.startsWith("+") ? `\${request.path}${tried.slice(1)}` : tried;
      routes.push({ ...keys, rewrite: to, static: handler });
    }
  }
  return passesOn ? routes : [...routes, nothing(state)];
}

function nothing({ keys }: SiteState): RouteValue {
  return { ...keys, ...NOTHING_THERE };
}

/** Names that are not shown: of a file, or of a directory on the way to it. */
function hideSteps(
  hidden: readonly string[],
  when: (state: SiteState) => readonly Parameters<typeof bothWith>[0][],
  directive: Directive,
  ownRoot: string | undefined,
): Step<SiteState>[] {
  if (hidden.length === 0) return [];
  return [{
    kind: "branch",
    branches: [{
      when: (state) => {
        const root = ownRoot ?? state.root ?? "";
        const tests = hidden.flatMap((name) => hideTest(name, root, state.prefix) ?? []);
        const test = tests.length > 0 ? anyOf(tests) : undefined;
        if (test === undefined) return [];
        return when(state).map((match) => bothWith(match, test));
      },
      steps: [{
        kind: "end",
        when: () => [{}],
        comment: `${commentOf(directive)} (hide)`,
        routes: (state) => [nothing(state)],
      }],
    }],
  }];
}

function bothWith(
  match: { readonly path?: readonly TextTest[] },
  test: TextTest,
): { readonly path: readonly TextTest[] } {
  return { ...match, path: [...match.path ?? [], test] };
}

function hideTest(name: string, root: string, prefix: string): TextTest | undefined {
  const source = (text: string) =>
    text.split(/([*?])/).map((part) =>
      part === "*" ? "[^/]*" : part === "?" ? "[^/]" : literal(part)
    ).join("");
  const base = { ignoreCase: false, isNegative: false };
  if (!name.includes("/")) return { ...base, source: `/${source(name)}(?:/|$)` };
  // A relative one starts where Caddy was started, which nobody knows here.
  if (!name.startsWith("/")) {
    return { ...base, source: `/${source(name.replace(/^\.\//, ""))}(?:/|$)` };
  }
  const below = name.startsWith(root) ? name.slice(root.length) : undefined;
  if (below === undefined || below === "") return undefined;
  return { ...base, source: `^${literal(prefix)}${source(below)}(?:/|$)` };
}
