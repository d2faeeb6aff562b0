/**
 * As much of JSON Schema 2020-12 as the configuration's schema uses. A keyword that is not here is
 * an error of the schema, so nothing passes because it was not looked at.
 */
export type Schema = { readonly [keyword: string]: unknown };

const isText = (value: unknown) => typeof value === "string";
const isNumber = (value: unknown) => typeof value === "number";
const isSchema = (value: unknown): value is Schema => typeof value === "object" && value !== null;
const isSchemas = (value: unknown) => Array.isArray(value) && value.every(isSchema);
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isText);
const isSchemaMap = (value: unknown) => isSchema(value) && Object.values(value).every(isSchema);

/** What the value of each keyword must be. */
const KEYWORDS: Readonly<Record<string, (value: unknown) => boolean>> = {
  $schema: isText,
  title: isText,
  description: isText,
  default: () => true,
  type: (value) =>
    ["object", "array", "string", "number", "integer", "boolean", "null"].includes(String(value)),
  properties: isSchemaMap,
  required: isTexts,
  additionalProperties: (value) => value === false || isSchema(value),
  propertyNames: isSchema,
  minProperties: isNumber,
  items: isSchema,
  minItems: isNumber,
  maxItems: isNumber,
  anyOf: isSchemas,
  oneOf: isSchemas,
  not: isSchema,
  enum: Array.isArray,
  pattern: (value) => isText(value) && new RegExp(String(value), "u") instanceof RegExp,
  minimum: isNumber,
  maximum: isNumber,
};

/** Keywords that are unknown or whose value is of the wrong kind. */
export function checkKeywords(schema: Schema): string[] {
  const own = Object.entries(schema).flatMap(([keyword, value]) =>
    KEYWORDS[keyword]?.(value) ? [] : [`${keyword}: ${JSON.stringify(value)}`]
  );
  return [...own, ...innerSchemas(schema).flatMap(checkKeywords)];
}

function innerSchemas(schema: Schema): Schema[] {
  const { properties = {}, anyOf = [], oneOf = [] } = schema as Record<string, any>;
  const { items, not, additionalProperties, propertyNames } = schema;
  return [
    ...Object.values(properties),
    ...anyOf,
    ...oneOf,
    ...[items, not, additionalProperties, propertyNames].filter((inner) => isSchema(inner)),
  ];
}

/** Every key of every map, with its path: `upstreams.NAME.servers`. */
export function schemaKeys(
  schema: Schema,
  path: readonly string[] = [],
): { key: string; schema: Schema }[] {
  const properties = (schema["properties"] ?? {}) as Record<string, Schema>;
  const { items, additionalProperties } = schema;
  return [
    ...Object.entries(properties).flatMap(([name, inner]) => [
      { key: [...path, name].join("."), schema: inner },
      ...schemaKeys(inner, [...path, name]),
    ]),
    ...(isSchema(items) ? schemaKeys(items, path) : []),
    ...(isSchema(additionalProperties) ? schemaKeys(additionalProperties, [...path, "NAME"]) : []),
    ...((schema["anyOf"] ?? []) as Schema[]).flatMap((inner) => schemaKeys(inner, path)),
  ];
}

export function accepts(schema: Schema, value: unknown): boolean {
  const s = schema as Record<string, any>;
  if ("type" in s && !hasType(s["type"], value)) return false;
  if ("enum" in s && !s["enum"].includes(value)) return false;
  if ("anyOf" in s && !s["anyOf"].some((inner: Schema) => accepts(inner, value))) return false;
  if ("not" in s && accepts(s["not"], value)) return false;
  if ("oneOf" in s && s["oneOf"].filter((inner: Schema) => accepts(inner, value)).length !== 1) {
    return false;
  }
  if (typeof value === "string") {
    return !("pattern" in s) || new RegExp(s["pattern"], "u").test(value);
  }
  if (typeof value === "number") {
    return value >= (s["minimum"] ?? -Infinity) && value <= (s["maximum"] ?? Infinity);
  }
  if (Array.isArray(value)) {
    return value.length >= (s["minItems"] ?? 0) && value.length <= (s["maxItems"] ?? Infinity) &&
      value.every((item) => !("items" in s) || accepts(s["items"], item));
  }
  return !isSchema(value) || acceptsMap(s, value);
}

function acceptsMap(s: Record<string, any>, value: Schema): boolean {
  const { properties = {}, required = [], additionalProperties = {}, propertyNames = {} } = s;
  const entries = Object.entries(value);
  return entries.length >= (s["minProperties"] ?? 0) &&
    required.every((key: string) => key in value) &&
    entries.every(([key, inner]) => {
      if (!accepts(propertyNames, key)) return false;
      if (Object.hasOwn(properties, key)) return accepts(properties[key], inner);
      return additionalProperties !== false && accepts(additionalProperties, inner);
    });
}

function hasType(type: unknown, value: unknown): boolean {
  if (type === "integer") return Number.isInteger(value);
  if (type === "array") return Array.isArray(value);
  if (type === "object") return isSchema(value) && !Array.isArray(value);
  if (type === "string") return isText(value);
  if (type === "null") return value === null;
  return type === "number" ? isNumber(value) : typeof value === "boolean";
}
