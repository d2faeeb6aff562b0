/**
 * Which routes a path may have, by the names that it begins with: of many routes most begin with names
 * of their own (`/shop/items/*`), and need no look for any other path. The names are a tree; a route
 * stands where the plain names of its pattern end, and a path may have the routes of every place on
 * its way down, in the order of the configuration.
 *
 *     ""  *.php                  /shop/items/7.php may have *.php and /shop/items/*
 *     └─ shop
 *        ├─ items  /shop/items/*
 *        └─ cart   /shop/cart
 *
 * Few routes are looked through as they are.
 */
import { INDEXED_NAMES_MAX, namesOfPattern, wholeNames } from "../routing/route_names.ts";
import type { RouteOptions } from "./options.ts";

/** Fewer routes are looked through faster than found. */
export const INDEXED_ROUTES_MIN = 16;

type IndexedRoute = Pick<RouteOptions, "path" | "stripPrefix">;

interface Place {
  /** Places of routes in the configuration, in their order. */
  readonly routes: number[];
  readonly below: Map<string, Place>;
}

/** Undefined where looking through all of them is as good. */
export function indexRoutes(routes: readonly IndexedRoute[]): RouteIndex | undefined {
  return routes.length < INDEXED_ROUTES_MIN ? undefined : new RouteIndex(routes);
}

export class RouteIndex {
  readonly #root: Place = createPlace();
  /** The lists that the path of {@link RouteIndex.begin} may have, and where each is looked at. */
  readonly #lists: (readonly number[])[] = [];
  readonly #at: number[] = [];
  #count = 0;

  constructor(routes: readonly IndexedRoute[]) {
    routes.forEach(({ path, stripPrefix }, index) => {
      let place = this.#root;
      for (const name of namesOf(path, stripPrefix)) {
        const below = place.below.get(name) ?? createPlace();
        place.below.set(name, below);
        place = below;
      }
      place.routes.push(index);
    });
  }

  /** The routes that the path may have behind the place `after` are given from now on. */
  begin(path: string, after: number): void {
    this.#count = 0;
    let place: Place | undefined = this.#root;
    for (let start = 1;;) {
      this.#use(place.routes, after);
      if (place.below.size === 0 || start > path.length) return;
      const slash = path.indexOf("/", start);
      const end = slash < 0 ? path.length : slash;
      place = place.below.get(path.slice(start, end));
      if (place === undefined) return;
      start = end + 1;
    }
  }

  /** The next one; -1 behind the last. */
  next(): number {
    let least = Infinity;
    let list = -1;
    for (let index = 0; index < this.#count; index++) {
      const route = this.#lists[index]![this.#at[index]!];
      if (route === undefined || route > least) continue;
      least = route;
      list = index;
    }
    if (list < 0) return -1;
    this.#at[list]!++;
    return least;
  }

  #use(routes: readonly number[], after: number): void {
    if (routes.length === 0) return;
    this.#lists[this.#count] = routes;
    this.#at[this.#count++] = firstBehind(routes, after);
  }
}

function createPlace(): Place {
  return { routes: [], below: new Map() };
}

function firstBehind(routes: readonly number[], after: number): number {
  let low = 0;
  for (let high = routes.length; low < high;) {
    const middle = (low + high) >> 1;
    if (routes[middle]! > after) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The whole names that every path of the route begins with. */
function namesOf(pattern: string | undefined, stripPrefix: string | undefined): readonly string[] {
  const ofPattern = namesOfPattern(pattern);
  const ofStripped = stripPrefix === undefined ? [] : wholeNames(`${stripPrefix}/`);
  const names = ofStripped.length > ofPattern.length ? ofStripped : ofPattern;
  return names.slice(0, INDEXED_NAMES_MAX);
}
