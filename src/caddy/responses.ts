/** `redir`, `respond`, `error` and `abort`: what a client gets without a file or an application. */
import { type Step, Unsayable } from "../import/chain.ts";
import type { Directive } from "../import/directive.ts";
import { type Matcher, matcherOf } from "./matchers.ts";
import type { DirectiveReader } from "./middleware.ts";
import { hasPlaceholder, toTemplate } from "./placeholders.ts";
import type { RouteValue } from "../import/chain.ts";
import type { SiteContext, SiteState } from "./site_state.ts";
import { commentOf, restricted, whenOf } from "./when.ts";

/** Clients that a matcher refuses are kept out of all that follows. */
function refusing(
  matcher: Matcher,
  directive: Directive,
  route: (state: SiteState) => RouteValue,
): readonly Step<SiteState>[] {
  const when = whenOf(matcher, directive);
  const { address } = matcher;
  if (address !== undefined) {
    const kept = { ...address, isNegative: !address.isNegative };
    return [{ kind: "set", when, apply: (state) => restricted(state, kept, directive) }];
  }
  return missingFirst(matcher, directive, [{
    kind: "end",
    when: matcher.file === undefined ? when : () => [{}],
    comment: commentOf(directive),
    routes: (state) => {
      if (state.existence === "there") {
        throw new Unsayable(directive, "it would depend on whether there is a file");
      }
      return [{ ...state.keys, ...route(state) }];
    },
  }]);
}

/** Steps for paths without a file, behind what there is for those with one. */
export function missingFirst(
  matcher: Matcher,
  directive: Directive,
  steps: readonly Step<SiteState>[],
): readonly Step<SiteState>[] {
  const { file } = matcher;
  if (file === undefined) return steps;
  const when = whenOf(matcher, directive);
  const isPlain = file.tries.every((text) => /^\{(?:http\.request\.uri\.)?path\}\/?$/.test(text));
  if (!isPlain) throw new Unsayable(directive, "only the path itself is looked for as a file");
  const set = (existence: SiteState["existence"]): Step<SiteState> => ({
    kind: "set",
    when: () => [{}],
    apply: (state) => ({ ...state, existence }),
  });
  if (!file.isNegative) {
    return [{
      kind: "branch",
      branches: [{ when, steps: [set("there"), ...steps], isPartial: true }],
    }];
  }
  return [{
    kind: "branch",
    branches: [
      { when, steps: [set("there")], isPartial: true },
      { when, steps: [set("missing"), ...steps] },
    ],
  }];
}

export const redir: DirectiveReader = (directive, context) => {
  const { matcher, args } = matcherOf(directive, context);
  const [to = "", code = "302"] = args;
  context.notes.take(directive);
  if (matcher.address !== undefined) {
    context.notes.add("differs", directive, "these clients get 403 in the place of a redirect");
  }
  return refusing(matcher, directive, (state) => {
    const status = { permanent: 301, temporary: 302, html: 302 }[code] ?? Number(code);
    if (![301, 302, 303, 307, 308].includes(status)) {
      throw new Unsayable(directive, `"${code}" is no status of a redirect`);
    }
    if (code === "html") context.notes.add("differs", directive, "it is a redirect of HTTP");
    return { redirect: { to: locationOf(to, state, directive, context), status } };
  });
};

function locationOf(
  to: string,
  { prefix, rewrite }: SiteState,
  directive: Directive,
  context: SiteContext,
): string {
  const isChanged = prefix !== "" || rewrite !== undefined;
  if (isChanged && /\{(?:uri|path|http\.request\.uri[\w.]*)\}/.test(to)) {
    throw new Unsayable(directive, "the path has been changed before");
  }
  const scheme = context.isTls ? "https" : "http";
  return toTemplate(to.replace(/^\{scheme\}/, scheme), directive, context);
}

export const respond: DirectiveReader = (directive, context) => {
  const { matcher, args } = matcherOf(directive, context);
  const [first = "", second] = args;
  const isStatus = second === undefined && /^[1-5]\d\d$/.test(first);
  const said = (name: string) => directive.block?.find((line) => line.name === name);
  context.notes.take(directive, ...directive.block ?? []);
  const status = Number(isStatus ? first : second ?? 200);
  const body = isStatus ? said("body")?.args[0] ?? "" : first;
  if (status >= 200 && status < 400 && matcher.address !== undefined) {
    context.notes.add("differs", directive, "these clients get 403");
  }
  return refusing(matcher, directive, () => response(status, body, directive));
};

function response(status: number, body: string, directive: Directive): RouteValue {
  if (hasPlaceholder(body)) throw new Unsayable(directive, "a body has no placeholders");
  if (!(status >= 200 && status <= 599)) {
    throw new Unsayable(directive, `"${status}" is no status of a response`);
  }
  const hasBody = body !== "" && ![204, 304].includes(status);
  return { respond: { status, ...(hasBody && { body }) } };
}

export const error: DirectiveReader = (directive, context) => {
  const { matcher, args } = matcherOf(directive, context);
  const code = args.find((arg) => /^[1-5]\d\d$/.test(arg));
  context.notes.take(directive, ...directive.block ?? []);
  return refusing(matcher, directive, () => response(Number(code ?? 500), "", directive));
};

export const abort: DirectiveReader = (directive, context) => {
  const { matcher } = matcherOf(directive, context);
  context.notes.add("differs", directive, "the client gets 403, its connection is not cut");
  return refusing(matcher, directive, () => ({ respond: { status: 403 } }));
};

/** What cannot be said is refused, for the requests that it is for. */
export function refusedSteps(
  directive: Directive,
  reason: string,
  context: SiteContext,
): readonly Step<SiteState>[] {
  let matcher: Matcher | undefined;
  try {
    matcher = matcherOf(directive, context).matcher;
  } catch (caught) {
    if (!(caught instanceof Unsayable)) throw caught;
  }
  const isKnown = matcher !== undefined && matcher.file === undefined &&
    matcher.address === undefined;
  return [{
    kind: "end",
    when: isKnown ? whenOf(matcher!, directive) : () => [{}],
    comment: commentOf(directive),
    routes: () => {
      throw new Unsayable(directive, reason);
    },
  }];
}
