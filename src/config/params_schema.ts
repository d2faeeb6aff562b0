/** The schemas of parameters, and of texts with references to the request. */
import * as v from "valibot";
import { compileTemplate, TemplateError } from "../http/request_template.ts";
import { refuse, TEXT_REMEDY, textLike } from "./schema_parts.ts";

/** A text in which `${…}` stands for parts of the request. */
export function templateText() {
  return v.pipe(v.string(TEXT_REMEDY), templateCheck());
}

/** That the references of a text stand for something. */
export function templateCheck() {
  return refuse<string>((text) => {
    try {
      compileTemplate(text, {});
      return undefined;
    } catch (error) {
      if (error instanceof TemplateError) return error.message;
      throw error;
    }
  });
}

/** Parameters: name to text, or to null for one that is not sent. */
export function paramsSchema() {
  return v.record(
    textLike(/^[^=\0]+$/, 'use a name without "="'),
    v.nullable(templateText()),
    "use a map of names and texts",
  );
}
