/**
 * The schemas of a route's conditions: what it asks of fields, cookies, the query, scheme and host, of
 * any text with references, of files, and of rewrites.
 * On a route `headers` says two things: names of fields with what they have to be, and (`set`,
 * `add`, `remove`) what becomes of the response's.
 */
import * as v from "valibot";
import type { ConditionOptions, ConditionSource } from "../http/route_conditions.ts";
import { valuePatternError } from "../routing/value_pattern.ts";
import { headersEntries } from "./response_schema.ts";
import { templateCheck, templateText } from "./params_schema.ts";
import { described, flag, list, optional, refuse, section, textLike } from "./schema_parts.ts";

const VALUE_REMEDY =
  'use a text in quotes, "*" in it for anything, "~ …" for an expression, true or false, or a list';

function valueText() {
  return v.pipe(textLike(/^[^\0\r\n]*$/, VALUE_REMEDY), refuse(valuePatternError));
}

function valueTexts() {
  return v.union([valueText(), list(valueText(), "use a list of texts")], VALUE_REMEDY);
}

/** What a condition says of a value, whichever form it has. */
export type ConditionValue = Pick<ConditionOptions, "patterns" | "isNegative">;

function conditionValue() {
  return v.pipe(
    v.union([
      valueText(),
      v.boolean(VALUE_REMEDY),
      list(valueText(), "use a list of texts"),
      section({
        not: described(valueTexts(), "What the value may not be; one that is not there will do"),
      }),
    ], VALUE_REMEDY),
    v.title('text, "*", "~ expression", true, false, list or { not: … }'),
    v.transform((value): ConditionValue => {
      if (typeof value === "boolean") return { patterns: ["*"], isNegative: !value };
      if (typeof value === "string") return { patterns: [value], isNegative: false };
      if (Array.isArray(value)) return { patterns: value, isNegative: false };
      const { not } = value as { not: string | string[] };
      return { patterns: typeof not === "string" ? [not] : not, isNegative: true };
    }),
  );
}

const FIELD_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;

const headers = v.pipe(
  v.objectWithRest(headersEntries, conditionValue(), "use a map of names and values"),
  refuse((value) => {
    const wrong = Object.keys(value).find((name) => !FIELD_NAME.test(name));
    return wrong && `"${wrong}" is no header's name (use letters, digits and "-")`;
  }),
  v.transform((value) => {
    const { set, add, remove, ...rest } = value;
    const hasRules = [set, add, remove].some((rule) => Object.keys(rule).length > 0);
    return {
      rules: hasRules ? { set, add, remove } : undefined,
      conditions: rest as Readonly<Record<string, ConditionValue>>,
    };
  }),
);

const named = (name: RegExp, remedy: string) =>
  v.record(textLike(name, remedy), conditionValue(), "use a map of names and values");

const FILE_REMEDY =
  'use a path such as "/maintenance.html" or "${request.path}/", a list, or { not: … }';

const fileText = () => v.pipe(textLike(/^(?:\/|\$\{)[^\0]*$/, FILE_REMEDY), templateCheck());

const fileTexts = () => v.union([fileText(), list(fileText(), "use a list of paths")], FILE_REMEDY);

const files = v.pipe(
  v.union([
    fileText(),
    list(fileText(), "use a list of paths"),
    section({ not: described(fileTexts(), "Of which there may be none") }),
  ], FILE_REMEDY),
  v.title("path, list of paths or { not: … }"),
  v.transform((value): ConditionValue => {
    const isNegative = typeof value === "object" && !Array.isArray(value);
    const paths = isNegative ? value.not : value;
    return { patterns: typeof paths === "string" ? [paths] : paths, isNegative };
  }),
);

export const conditionEntries = {
  headers: optional(
    headers,
    "Fields that the request must have, by name (x-beta: \"1\"); set, add and remove change the response's, after the site's; default: none",
  ),
  cookie: optional(
    named(/^[^\s;=,"]+$/, "use a cookie's name"),
    "Cookies that the request must have, by name, * in it for anything; default: none",
  ),
  query: optional(
    named(/^[^\0]+$/, "use a parameter's name"),
    "Parameters that the query must have, by name, * in it for anything; default: none",
  ),
  scheme: optional(
    v.picklist(["http", "https"], "use http or https"),
    "Scheme that the request must have come by; default: both",
  ),
  host: optional(
    v.pipe(
      valueTexts(),
      v.transform((value) => (typeof value === "string" ? [value] : value)),
      v.transform((values) => values.map((text) => /^~/.test(text) ? text : text.toLowerCase())),
    ),
    'Host that the request must be for, "*.example.com", "~ expression" or a list; default: every one of the site',
  ),
  when: optional(
    v.record(templateText(), conditionValue(), "use a map of texts and values"),
    "What texts with references must be, such as ${request.query} or ${map.NAME}; default: nothing",
  ),
  exists: optional(
    files,
    'File below the root that there must be, with "/" at its end a directory; of a list one; default: none',
  ),
  rewritten: optional(
    flag(),
    "Whether the path must, or must not, be one that a rewrite has made; default: both",
  ),
};

/** That of a route, as far as conditions go. */
export interface ConditionConfig {
  readonly headers?:
    | { readonly conditions: Readonly<Record<string, ConditionValue>> }
    | undefined;
  readonly cookie?: Readonly<Record<string, ConditionValue>> | undefined;
  readonly query?: Readonly<Record<string, ConditionValue>> | undefined;
  readonly scheme?: "http" | "https" | undefined;
  readonly host?: readonly string[] | undefined;
  readonly when?: Readonly<Record<string, ConditionValue>> | undefined;
  readonly exists?: ConditionValue | undefined;
  readonly rewritten?: boolean | undefined;
}

export function conditionOptions(route: ConditionConfig): ConditionOptions[] {
  const { headers, cookie = {}, query = {}, scheme, host, when = {}, exists, rewritten } = route;
  const byName = (source: ConditionSource, values: Readonly<Record<string, ConditionValue>>) =>
    Object.entries(values).map(([name, value]): ConditionOptions => ({ source, name, ...value }));
  return [
    ...(scheme === undefined ? [] : [alone("scheme", [scheme])]),
    ...(host === undefined ? [] : [alone("host", host)]),
    ...byName("header", headers?.conditions ?? {}).map((condition) => {
      return { ...condition, name: condition.name.toLowerCase() };
    }),
    ...byName("cookie", cookie),
    ...byName("query", query),
    ...byName("text", when),
    ...(rewritten === undefined ? [] : [{ ...alone("rewritten", []), isNegative: !rewritten }]),
    // Files last: the others cost less.
    ...(exists === undefined ? [] : [{ source: "file", name: "", ...exists } as const]),
  ];
}

function alone(source: ConditionSource, patterns: readonly string[]): ConditionOptions {
  return { source, name: "", patterns, isNegative: false };
}
