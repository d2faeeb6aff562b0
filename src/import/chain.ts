/**
 * A chain of steps that a request goes through, each with what it is for → routes, of which the
 * first that matches takes a request. A step that sets something for some requests makes the rest
 * of the chain twice: for these first, and then for the others. So each way through the chain ends
 * in a route that takes its requests for good, and what is behind it is only for the others.
 */
import type { Directive } from "./directive.ts";
import { both, isAlways, matchKeys, type RequestMatch } from "./request_match.ts";

export type RouteValue = Readonly<Record<string, unknown>>;

export interface RoutePart {
  readonly comment: string;
  readonly value: RouteValue;
}

/** What holds for the requests of one way through the chain. */
export interface Way<State> {
  readonly match: RequestMatch;
  readonly state: State;
}

/** One of these holds; none: never. */
export type When<State> = (state: State) => readonly RequestMatch[];

export type Step<State> =
  | { readonly kind: "set"; readonly when: When<State>; readonly apply: (state: State) => State }
  | {
    /** The first branch that a request fits; its steps stand before what follows. */
    readonly kind: "branch";
    readonly branches: readonly {
      readonly when: When<State>;
      readonly steps: readonly Step<State>[];
      /** Whether its routes leave some of their requests to the next branch (files that exist). */
      readonly isPartial?: boolean;
    }[];
  }
  | {
    readonly kind: "end";
    readonly when: When<State>;
    /** Where it comes from. */
    readonly comment: string;
    /** Handlers with their keys. The last one takes all, unless `passesOn`. */
    readonly routes: (state: State, match: RequestMatch) => readonly RouteValue[];
    readonly passesOn?: boolean;
  };

/** What a step cannot say of the requests that reach it; they are refused. */
export class Unsayable extends Error {
  override readonly name = "Unsayable";
  readonly directive: Directive;

  constructor(directive: Directive, reason: string) {
    super(reason);
    this.directive = directive;
  }
}

/** Most routes of a site. */
const ROUTES_MAX = 400;

/** A chain that would make more routes than anybody could read. */
export class ChainTooLong extends Error {
  override readonly name = "ChainTooLong";

  constructor() {
    super(`It would take more than ${ROUTES_MAX} routes`);
  }
}

export const always = (): readonly RequestMatch[] => [{}];

export interface ChainEnd<State> {
  /** What answers a request that no step has taken. */
  readonly last: (state: State) => readonly RouteValue[];
  /** Hears what is refused. */
  readonly onRefusal: (error: Unsayable) => void;
}

/**
 * The routes of a chain.
 *
 * @throws {ChainTooLong}
 */
export function routesOf<State>(
  steps: readonly Step<State>[],
  state: State,
  { last, onRefusal }: ChainEnd<State>,
): RoutePart[] {
  const parts: RoutePart[] = [];
  const ended = new Set<string>();

  function emit(match: RequestMatch, routes: readonly RouteValue[], comment: string): void {
    for (const [index, route] of routes.entries()) {
      const key = JSON.stringify(matchKeys(match));
      if (ended.has("{}") || ended.has(key)) return;
      parts.push({ comment: index === 0 ? comment : "", value: merged(matchKeys(match), route) });
      if (parts.length > ROUTES_MAX) throw new ChainTooLong();
      if (takesAll(route)) ended.add(key);
    }
  }

  function walk(rest: readonly Step<State>[], way: Way<State>): void {
    attempt(way.match, () => go(rest, way));
  }

  /** What cannot be said is refused, for these requests. */
  function attempt(match: RequestMatch, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof Unsayable)) throw error;
      onRefusal(error);
      const { file, line } = error.directive;
      emit(match, [{ respond: { status: 403 } }], `${file}:${line}: refused`);
    }
  }

  function go(rest: readonly Step<State>[], way: Way<State>): void {
    const [step, ...others] = rest;
    if (step === undefined) {
      emit(way.match, last(way.state), "");
      return;
    }
    if (step.kind === "branch") {
      for (const { when, steps: own, isPartial } of step.branches) {
        const isAll = split(when, way, (inner) => walk([...own, ...others], inner));
        if (isAll && !isPartial) return;
      }
      walk(others, way);
      return;
    }
    const isAll = split(step.when, way, (inner) =>
      attempt(inner.match, () => {
        if (step.kind === "set") walk(others, { ...inner, state: step.apply(inner.state) });
        else {
          emit(inner.match, step.routes(inner.state, inner.match), step.comment);
          if (step.passesOn) walk(others, inner);
        }
      }));
    if (!isAll) walk(others, way);
  }

  walk(steps, { match: {}, state });
  return parts;
}

/** Whether nothing of the way is left. */
function split<State>(
  when: When<State>,
  way: Way<State>,
  take: (inner: Way<State>) => void,
): boolean {
  for (const match of when(way.state)) {
    const inner = both(way.match, match);
    if (inner === undefined) continue;
    take({ ...way, match: inner });
    if (isAlways(match) || JSON.stringify(inner) === JSON.stringify(way.match)) return true;
  }
  return false;
}

function takesAll(route: RouteValue): boolean {
  return !("static" in route || "php" in route || "filter" in route) &&
    ("respond" in route || "redirect" in route || "proxy" in route || "fastcgi" in route) &&
    // A handler may ask for more than the way does.
    !["methods", "path", "when", "scheme", "rewrite"].some((key) => key in route);
}

/** `headers` is asked and changed under one key. */
function merged(match: Record<string, unknown>, route: RouteValue): RouteValue {
  const headers = { ...match["headers"] as object, ...route["headers"] as object };
  const when = { ...match["when"] as object, ...route["when"] as object };
  const { path, methods, scheme, host, cookie, query, ...rest } = match;
  return {
    ...(path !== undefined && { path }),
    ...(methods !== undefined && { methods }),
    ...(scheme !== undefined && { scheme }),
    ...(host !== undefined && { host }),
    ...(cookie !== undefined && { cookie }),
    ...(query !== undefined && { query }),
    ...rest,
    ...route,
    ...(Object.keys(headers).length > 0 && { headers }),
    ...(Object.keys(when).length > 0 && { when }),
  };
}
