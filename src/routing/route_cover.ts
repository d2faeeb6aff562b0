/**
 * Which routes can never match because an earlier one takes all that they would. A route takes a
 * request for good unless its handler passes on what it has no file for (php, static).
 */
import { INDEXED_NAMES_MAX, namesOfPattern } from "./route_names.ts";
import { compilePattern, isSimple, prefixOfPattern, type RoutePattern } from "./route_pattern.ts";

export interface RouteShape {
  /** As in `routing/route_pattern.ts`; undefined for everything. */
  readonly path: string | undefined;
  /** Undefined: all. */
  readonly methods: readonly string[] | undefined;
  /** What else it asks of a request, as texts; nothing, left out. */
  readonly conditions?: readonly string[];
  /** Whether its handler may hand a request to the next route. */
  readonly passesOn: boolean;
}

type Compile = (pattern: string) => RoutePattern;

/** True when every request that `later` matches has been taken by `earlier`. */
export function coversRoute(
  earlier: RouteShape,
  later: RouteShape,
  compile: Compile = compilePattern,
): boolean {
  if (earlier.passesOn) return false;
  return coversMethods(earlier.methods, later.methods) &&
    (earlier.conditions ?? []).every((text) => later.conditions?.includes(text)) &&
    coversPath(earlier.path, later.path, compile);
}

interface EarlierRoute<Item> {
  readonly shape: RouteShape;
  readonly item: Item;
  /** Its number among all. */
  readonly number: number;
  readonly compile: Compile;
}

/** Where names lead to; what stands there by its first condition, or by none. */
interface Place<Item> {
  readonly below: Map<string, Place<Item>>;
  readonly routes: Map<string, EarlierRoute<Item>[]>;
}

const NO_CONDITION = "";

/** Those of most sites: to find them would take longer than to look at them. */
const FEW_ROUTES = 8;

/**
 * The routes of a site so far. Only those are looked at that can cover a route: who covers it has no
 * names in its path that the route does not begin with, and no condition that it does not ask for.
 */
export class EarlierRoutes<Item> {
  /** All that stand at no place; few are looked through as they are. */
  readonly #few: EarlierRoute<Item>[] = [];
  readonly #root: Place<Item> = createPlace();
  #count = 0;

  add(shape: RouteShape, item: Item): void {
    const number = this.#count++;
    if (shape.passesOn) return;
    const route = { shape, item, number, compile: compileOnce() };
    if (this.#few.length < FEW_ROUTES) this.#few.push(route);
    else this.#place(route);
  }

  #place(route: EarlierRoute<Item>): void {
    const { shape } = route;
    let place = this.#root;
    for (const name of indexedNames(shape)) {
      const below = place.below.get(name) ?? createPlace();
      place.below.set(name, below);
      place = below;
    }
    const [condition = NO_CONDITION] = shape.conditions ?? [];
    const routes = place.routes.get(condition) ?? [];
    place.routes.set(condition, routes);
    routes.push(route);
  }

  /** The first of them that takes all that the route would match; undefined where none does. */
  coverOf(later: RouteShape): Item | undefined {
    const few = this.#few.find(({ shape, compile }) => coversRoute(shape, later, compile));
    if (few !== undefined || this.#few.length < FEW_ROUTES) return few?.item;
    const conditions = [NO_CONDITION, ...later.conditions ?? []];
    let place: Place<Item> | undefined = this.#root;
    let first = firstCover(place, conditions, later, undefined);
    for (const name of indexedNames(later)) {
      place = place.below.get(name);
      if (place === undefined) break;
      first = firstCover(place, conditions, later, first);
    }
    return first?.item;
  }
}

function createPlace<Item>(): Place<Item> {
  return { below: new Map(), routes: new Map() };
}

function indexedNames({ path }: RouteShape): readonly string[] {
  return namesOfPattern(path).slice(0, INDEXED_NAMES_MAX);
}

/** The first of those at a place, or the one `before` where that is earlier. */
function firstCover<Item>(
  { routes }: Place<Item>,
  conditions: readonly string[],
  later: RouteShape,
  before: EarlierRoute<Item> | undefined,
): EarlierRoute<Item> | undefined {
  let first = before;
  for (const condition of conditions) {
    for (const route of routes.get(condition) ?? []) {
      if (first !== undefined && route.number > first.number) break;
      if (!coversRoute(route.shape, later, route.compile)) continue;
      first = route;
      break;
    }
  }
  return first;
}

/** An expression is compiled when it is looked at, and once. */
function compileOnce(): Compile {
  let compiled: RoutePattern | undefined;
  return (pattern) => compiled ??= compilePattern(pattern);
}

function coversMethods(
  earlier: readonly string[] | undefined,
  later: readonly string[] | undefined,
): boolean {
  if (earlier === undefined) return true;
  // Who takes GET takes HEAD.
  const takes = (method: string) =>
    earlier.includes(method) || (method === "HEAD" && earlier.includes("GET"));
  return later !== undefined && later.every(takes);
}

function isExact(pattern: string): boolean {
  return isSimple(pattern) && !pattern.includes("*");
}

/** Whether every path that begins so is matched. */
function coversPrefix(pattern: string, prefix: string): boolean {
  return pattern.startsWith("/") && pattern.endsWith("*") &&
    prefix.startsWith(pattern.slice(0, -1));
}

function coversPath(
  earlier: string | undefined,
  later: string | undefined,
  compile: Compile,
): boolean {
  if (earlier === undefined || earlier === "/*") return true;
  if (later === undefined) return false;
  if (earlier === later) return true;
  if (!isSimple(earlier)) return isExact(later) && compile(earlier)(later);
  if (!isSimple(later)) return coversPrefix(earlier, prefixOfPattern(later));
  if (earlier.endsWith("/*")) {
    const prefix = earlier.slice(0, -1);
    return later === prefix.slice(0, -1) || later.startsWith(prefix);
  }
  if (earlier.startsWith("*")) return !later.endsWith("/*") && later.endsWith(earlier.slice(1));
  const star = earlier.indexOf("*");
  if (star < 0 || earlier === later) return earlier === later;
  const suffix = earlier.slice(star + 1);
  const isDirectory = later.endsWith("/*") && suffix !== "";
  return !isDirectory && later.length >= earlier.length - 1 &&
    later.startsWith(earlier.slice(0, star)) && later.endsWith(suffix);
}
