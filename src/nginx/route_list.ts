/**
 * The routes of a site as they gather, each with the line that it comes from. A route that an earlier
 * one leaves nothing to is an error of our file, so it is left out.
 */
import { coversRoute, EarlierRoutes, type RouteShape } from "../routing/route_cover.ts";
import { placeOf, textOf } from "../import/notes.ts";
import type { Directive } from "./parser.ts";
import type { RouteValue } from "./script_routes.ts";
import type { Part } from "../import/yaml_writer.ts";

export class RouteList {
  readonly parts: Part[] = [];
  readonly #earlier = new EarlierRoutes<true>();

  /** Whether some request is left for another route. */
  isOpen = true;

  add(directive: Directive, routes: readonly RouteValue[]): void {
    let comment = `${placeOf(directive)}: ${textOf(directive)}`;
    for (const value of routes) {
      const shape = shapeOf(value);
      if (this.#earlier.coverOf(shape) !== undefined) continue;
      this.parts.push({ comment, value });
      this.#earlier.add(shape, true);
      comment = "";
      if (coversRoute(shape, EVERYTHING)) this.isOpen = false;
    }
  }
}

const EVERYTHING: RouteShape = { path: undefined, methods: undefined, passesOn: false };
const PASSING = ["php", "static", "filter", "rewrite"];

function shapeOf(value: RouteValue): RouteShape {
  const { path, methods } = value as { path?: string; methods?: readonly string[] };
  return {
    path,
    methods,
    conditions: conditionTexts(value),
    passesOn: PASSING.some((key) => key in value),
  };
}

/** As texts, of which two are equal if they ask for the same. */
function conditionTexts(value: RouteValue): string[] {
  const { headers, when } = value as Record<string, Record<string, unknown> | undefined>;
  const named = { headers, when };
  const ofNames = Object.entries(named).flatMap(([key, asked]) =>
    Object.entries(asked ?? {})
      .filter(([name]) => key !== "headers" || !["set", "add", "remove"].includes(name))
      .map(([name, wanted]) => JSON.stringify([key, name, wanted]))
  );
  const alone = ["scheme", "host", "exists", "rewritten"]
    .filter((key) => value[key] !== undefined)
    .map((key) => JSON.stringify([key, value[key]]));
  return [...ofNames, ...alone];
}
