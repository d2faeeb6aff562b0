/** `Redirect`, `RedirectMatch` and rules that lead elsewhere → `redirect`, with the client's query. */
import { type RouteValue, type Step, Unsayable } from "../import/chain.ts";
import type { Directive } from "../import/directive.ts";
import { placeOf, textOf } from "../import/notes.ts";
import type { RequestMatch } from "../import/request_match.ts";
import { literal, type TextTest } from "../import/text_tests.ts";
import type { ApacheDirective } from "./parser.ts";
import type { ApacheState } from "./state.ts";
import { belowUrl, caseOf } from "./spaces.ts";

const STATUSES = [301, 302, 303, 307, 308];

/** Routes to a target without the client's query, which is added where it is kept. */
export function redirectRoutes(
  to: string,
  status: number,
  keepsQuery: boolean,
  match: RequestMatch,
  { keys }: ApacheState,
  directive: Directive,
): readonly RouteValue[] {
  if (!STATUSES.includes(status)) throw new Unsayable(directive, `"${status}" is no redirect`);
  const variants = schemesOf(to, match);
  return variants.flatMap(({ to: said, ...scheme }) => {
    const redirect = (target: string): RouteValue => ({
      ...keys,
      ...scheme,
      redirect: { to: target, status },
    });
    if (!keepsQuery) return [redirect(said.replace(/\?$/, ""))];
    if (said.endsWith("${request.path}")) {
      return [redirect(said.replace(/\$\{request\.path\}$/, "${request.target}"))];
    }
    const sign = said.includes("?") ? "&" : "?";
    const withQuery = `${said}${sign}\${request.query}`;
    if (match.named?.["when ${request.query}"] !== undefined) return [redirect(withQuery)];
    return [{ when: { "${request.query}": "~ ." }, ...redirect(withQuery) }, redirect(said)];
  });
}

/** A scheme that follows the request's is two routes: a target begins with one that is known. */
function schemesOf(
  to: string,
  match: RequestMatch,
): readonly { readonly to: string; readonly scheme?: "http" | "https" }[] {
  const [, rest] = /^(?:\$\{request\.scheme\}|http\$\{protossl\})(:\/\/.*)$/.exec(to) ?? [];
  if (rest === undefined) return [{ to }];
  if (match.scheme !== undefined) return [{ to: match.scheme + rest }];
  return [{ to: `https${rest}`, scheme: "https" }, { to: `http${rest}` }];
}

const NAMES: Readonly<Record<string, number>> = {
  permanent: 301,
  temp: 302,
  seeother: 303,
  gone: 410,
};

/** Undefined for a directive that is no redirect. */
export function redirectStep(directive: ApacheDirective): Step<ApacheState> | undefined {
  const { key } = directive;
  if (!/^redirect(?:match|permanent|temp)?$/.test(key)) return undefined;
  const [first = "", ...rest] = directive.args;
  const named = NAMES[first.toLowerCase()] ?? (/^\d{3}$/.test(first) ? Number(first) : undefined);
  const status = key === "redirectpermanent" ? 301 : named ?? 302;
  const [from = "", to] = named === undefined ? directive.args : rest;
  const comment = `${placeOf(directive)}: ${textOf(directive)}`;
  const end = (
    test: TextTest | undefined,
    routes: (state: ApacheState, match: RequestMatch) => readonly RouteValue[],
  ): Step<ApacheState> => ({
    kind: "end",
    when: () => test === undefined ? [{}] : [{ path: [test] }],
    comment,
    routes,
  });
  const isMatch = key === "redirectmatch";
  const plain = isMatch ? { ...caseOf(from), isNegative: false } : prefixTest(from);
  if (to === undefined) {
    const refusal = status >= 400 && status <= 599 ? status : 403;
    return end(plain, ({ keys }) => [{ ...keys, respond: { status: refusal } }]);
  }
  if (isMatch) {
    const said = to.replace(/\\\$/g, "$").replace(/\$(\d)/g, "${path.$1}");
    const hasGroups = said !== to;
    const test = { ...caseOf(from), isNegative: false, ...(hasGroups && { captures: true }) };
    return end(test, (state, match) => redirectRoutes(said, status, true, match, state, directive));
  }
  if (from === "/") {
    return end(
      undefined,
      (state, match) =>
        redirectRoutes(
          `${to.replace(/\/$/, "")}\${request.path}`,
          status,
          true,
          match,
          state,
          directive,
        ),
    );
  }
  const bare = from.replace(/\/$/, "");
  const test: TextTest = {
    source: from.endsWith("/") ? `^${literal(from)}(.*)$` : `^${literal(bare)}(/.*)?$`,
    ignoreCase: false,
    isNegative: false,
    prefix: bare,
    captures: true,
  };
  return end(
    test,
    (state, match) => redirectRoutes(`${to}\${path.1}`, status, true, match, state, directive),
  );
}

function prefixTest(from: string): TextTest | undefined {
  if (!from.endsWith("/") || from === "/") return belowUrl(from);
  return { source: `^${literal(from)}`, ignoreCase: false, isNegative: false, prefix: from };
}
