/** `ProxyPass` and `ProxyPassMatch` → `proxy`, or what runs scripts. */
import { type RouteValue, type Step, Unsayable, type When } from "../import/chain.ts";
import type { Directive } from "../import/directive.ts";
import { placeOf, textOf } from "../import/notes.ts";
import { literal, type TextTest } from "../import/text_tests.ts";
import { type Backend, backendOf, balancerUpstream, upstreamOf } from "./backend.ts";
import { programsHandler, programTest, scriptRoutes } from "./file_routes.ts";
import type { ApacheDirective } from "./parser.ts";
import type { RewriteRule } from "./rewrite_rule.ts";
import { belowUrl, caseOf } from "./spaces.ts";
import type { ApacheState, VhostContext } from "./state.ts";

export interface ProxyParts {
  readonly context: VhostContext;
  readonly balancers: ReadonlyMap<string, ApacheDirective>;
  /** Whether a server is asked for the host that the client asked for. */
  readonly preservesHost: boolean;
  /** What `ProxyPassReverse` names: its redirects would name the client's host. */
  readonly reversed: readonly string[];
}

interface Pass {
  readonly directive: ApacheDirective;
  /** Undefined within a location: it is its path. */
  readonly from: string;
  readonly to: string;
  readonly options: readonly string[];
  readonly isExpression: boolean;
}

/** Whether it names a server that runs scripts of an ending. */
export function isScriptPass({ key, args: [from = "", to = ""] }: ApacheDirective): boolean {
  return key === "proxypassmatch" && isScripts(to) && endingOf(from) !== undefined;
}

/** What runs the scripts of a directory's index, and those that rules lead to. */
export function scriptPass(
  directive: ApacheDirective,
  context: VhostContext,
): readonly Step<ApacheState>[] {
  const [from = "", to = "", ...options] = directive.args;
  const backend = backendOf(to);
  if (backend === undefined) return [];
  return [{
    kind: "set",
    when: () => [{}],
    apply: (state) => ({
      ...state,
      scripts: {
        upstream: upstreamOf(backend, directive, context, options),
        endings: [endingOf(from) ?? ".php"],
        applicationRoot: applicationRoot(backend.path, state),
      },
    }),
  }];
}

/** The root as the application sees it, where it is another than ours. */
function applicationRoot(path: string, { space }: ApacheState): string | undefined {
  const directory = path.replace(/\/?\$.*$/, "").replace(/\/$/, "");
  return directory === "" || directory === space.directory ? undefined : directory;
}

/** What is proxied, and how; `location` is the path of the section around it. */
export function proxyStep(
  directive: ApacheDirective,
  location: string | undefined,
  parts: ProxyParts,
): { readonly when: When<ApacheState>; readonly steps: readonly Step<ApacheState>[] } {
  const isExpression = directive.key === "proxypassmatch";
  const args = directive.args.filter((arg) => !/^(?:interpolate|nocanon|noquery)$/i.test(arg));
  const [first = "", ...others] = args;
  const isInside = location !== undefined && !first.startsWith("/") && !first.startsWith("^");
  const [from, [to = "", ...options]] = isInside
    ? [location, args] as const
    : [first, others] as const;
  const pass: Pass = { directive, from: from ?? "/", to, options, isExpression };
  parts.context.notes.take(directive);
  const test = passTest(pass);
  const when = () => test === undefined ? [{}] : [{ path: [test] }];
  const comment = `${placeOf(directive)}: ${textOf(directive)}`;
  if (to === "!") return { when, steps: [] };
  const routes = (state: ApacheState) => passRoutes(pass, state, parts);
  return { when, steps: [{ kind: "end", when: () => [{}], comment, routes }] };
}

function passTest({ from, to, isExpression }: Pass): TextTest | undefined {
  if (isExpression) {
    const captures = /\$\d/.test(to) && !isScripts(to);
    return { ...caseOf(from), isNegative: false, ...(captures && { captures }) };
  }
  const programs = programDirectory(to);
  if (programs !== undefined) return programTest(from);
  if (from === "/" || from === "") return undefined;
  if (!from.endsWith("/")) return belowUrl(from);
  return { source: `^${literal(from)}`, ignoreCase: false, isNegative: false, prefix: from };
}

/** Of a program's directory, such as `unix:/run/fcgiwrap.socket|fcgi://localhost/usr/lib/cgi-bin`. */
function programDirectory(to: string): string | undefined {
  const backend = backendOf(to);
  const directory = backend?.path.replace(/\/$/, "") ?? "";
  return backend?.protocol === "fcgi" && directory !== "" ? directory : undefined;
}

function isScripts(to: string): boolean {
  return /fcgi:\/\//.test(to);
}

function passRoutes(pass: Pass, state: ApacheState, parts: ProxyParts): readonly RouteValue[] {
  const { directive, to } = pass;
  const { context } = parts;
  const balancer = /^balancer:\/\/([^/]+)(.*)$/.exec(to);
  const named = balancer === null
    ? undefined
    : balancerUpstream(balancer[1]!, directive, context, parts);
  const backend: Backend | undefined = named === undefined
    ? backendOf(to)
    : { protocol: named.protocol, address: "", path: balancer![2]!, host: "" };
  if (backend === undefined) {
    throw new Unsayable(directive, `"${to}" is no server that a route can name`);
  }
  const upstream = named?.upstream ?? upstreamOf(backend, directive, context, pass.options);
  if (backend.protocol === "fcgi") return fcgiRoutes(pass, backend, upstream, state, context);
  const path = pathChange(pass, backend.path, directive);
  const isReversed = parts.reversed.some((url) => url.startsWith(to.replace(/\/$/, "")));
  const host = parts.preservesHost || named !== undefined || isReversed ? undefined : backend.host;
  if (!parts.preservesHost && isReversed) {
    context.notes.add(
      "differs",
      directive,
      "the server is asked for the client's host, so its redirects name that",
    );
  }
  return [{ ...path, ...state.keys, proxy: proxyOf(upstream, host, state) }];
}

function proxyOf(upstream: string, host: string | undefined, { fields }: ApacheState): RouteValue {
  return {
    upstream,
    ...(host !== undefined && host !== "" && { host }),
    ...(Object.keys(fields).length > 0 && { headers: fields }),
  };
}

/** What becomes of the path on its way. */
function pathChange({ from, isExpression }: Pass, path: string, directive: Directive): RouteValue {
  if (isExpression) {
    if (!/\$\d/.test(path)) {
      // Apache adds nothing that the expression has not taken.
      return path === "" || path === "/" ? {} : { rewrite: path };
    }
    return { rewrite: path.replace(/\$(\d)/g, "${path.$1}").replace(/^(?!\/)/, "/") };
  }
  const [bareFrom, barePath] = [from.replace(/\/$/, ""), path.replace(/\/$/, "")];
  if (bareFrom === barePath) return {};
  if (barePath === "") return { strip_prefix: bareFrom };
  if (bareFrom === "") return { rewrite: `${barePath}\${request.path}` };
  throw new Unsayable(
    directive,
    "a path that is taken off and another one before it has no counterpart",
  );
}

/** Scripts, or an application of another kind. */
function fcgiRoutes(
  { from, isExpression, directive }: Pass,
  { path }: Backend,
  upstream: string,
  state: ApacheState,
  context: VhostContext,
): readonly RouteValue[] {
  const ending = isExpression ? endingOf(from) : undefined;
  const directory = path.replace(/\/?\$\d.*$/, "").replace(/\/$/, "");
  if (ending !== undefined) {
    const scripts = { upstream, endings: [ending], applicationRoot: applicationRoot(path, state) };
    return [
      ...scriptRoutes({ ...state, scripts }, ["script"], context),
      { ...state.keys, respond: { status: 404 } },
    ];
  }
  if (isExpression) throw new Unsayable(directive, "its scripts have no ending that is known");
  const params = Object.keys(state.params).length > 0 && { params: state.params };
  const prefix = from.replace(/\/$/, "");
  if (directory !== "") {
    return [{ ...state.keys, fastcgi: programsHandler(upstream, prefix, directory, state.params) }];
  }
  return [{
    ...state.keys,
    fastcgi: { upstream, ...(prefix !== "" && { script_name: prefix }), ...params },
  }];
}

/** `.php` for `^/(.*\.php(/.*)?)$`. */
function endingOf(expression: string): string | undefined {
  return /\\(\.\w+)/.exec(expression)?.[1];
}

/** The flag P of a rule. */
export function proxyTargetRoutes(
  to: string,
  { directive }: RewriteRule,
  state: ApacheState,
  context: VhostContext,
): readonly RouteValue[] {
  const backend = backendOf(to);
  if (backend === undefined) throw new Unsayable(directive, "its server is not known beforehand");
  const { path } = backend;
  const upstream = upstreamOf(backend, directive, context);
  if (backend.protocol === "fcgi") {
    const scripts = { upstream, endings: [".php"], applicationRoot: applicationRoot(path, state) };
    return [
      ...scriptRoutes({ ...state, scripts }, ["script"], context),
      { ...state.keys, respond: { status: 404 } },
    ];
  }
  const isWhole = path === "/${path.1}" || path === "${request.path}" ||
    path === "/${request.path}";
  const isMoved = path !== "" && path !== "/" && !isWhole;
  return [{
    ...(isMoved && { rewrite: path }),
    ...state.keys,
    proxy: proxyOf(upstream, undefined, state),
  }];
}
