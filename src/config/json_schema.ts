/**
 * The configuration's schema as JSON Schema 2020-12, for editors. What the file's text must look
 * like is all there; what its parts say about each other is not (see `references.ts`).
 */
import { toJsonSchema } from "@valibot/to-json-schema";
import { HANDLER_NAMES, routeSchema } from "./route_schema.ts";
import { configSchema } from "./schema.ts";

/** What `afcgi schema` prints. */
export function configJsonSchema(): Record<string, unknown> {
  const schema = toJsonSchema(configSchema, {
    target: "draft-2020-12",
    typeMode: "input",
    // These look at values in ways that a schema cannot say.
    ignoreActions: ["raw_transform", "raw_check", "transform"],
    overrideSchema: ({ valibotSchema, jsonSchema }) =>
      isRoute(valibotSchema)
        ? { ...jsonSchema, oneOf: HANDLER_NAMES.map((name) => ({ required: [name] })) }
        : undefined,
  });
  const { $schema, ...rest } = schema;
  return { $schema, title: "Configuration of afcgi", ...rest };
}

function isRoute(schema: object): boolean {
  return "entries" in schema && schema.entries === routeSchema.entries;
}
