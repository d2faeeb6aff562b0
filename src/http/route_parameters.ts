/**
 * A route's configured parameters, sorted when it is compiled: what is the same for every request is
 * encoded once with the route's constants, what has a reference is made for each.
 */
import { type ParameterConstants, ParameterTemplate } from "../cgi/parameters.ts";
import type { RequestContext } from "./request_context.ts";
import type { ParamOptions } from "./options.ts";
import { compileTemplate, type RequestText, type TemplateScope } from "./request_template.ts";
import type { HttpHeaders } from "../runtime/http_request.ts";

/** Names, and what makes their values. */
export type ComputedParameters = readonly (readonly [name: string, text: RequestText])[];

export interface RouteParameters {
  readonly template: ParameterTemplate;
  /** Undefined where there are none. */
  readonly computed: ComputedParameters | undefined;
}

/** @throws {TemplateError} */
export function compileParameters(
  params: ParamOptions,
  scope: TemplateScope,
  constants: Omit<ParameterConstants, "params" | "perRequest">,
): RouteParameters {
  const constant: Record<string, string | null> = {};
  const computed: [string, RequestText][] = [];
  for (const [name, text] of Object.entries(params)) {
    const value = text === null ? null : compileTemplate(text, scope);
    if (typeof value === "function") computed.push([name, value]);
    else constant[name] = value;
  }
  const perRequest = computed.map(([name]) => name);
  return {
    template: new ParameterTemplate({ ...constants, params: constant, perRequest }),
    computed: computed.length === 0 ? undefined : computed,
  };
}

/** The values of the configured parameters, in their order. */
export function computeParameters(
  computed: ComputedParameters,
  context: RequestContext,
  headers: HttpHeaders,
): readonly string[] {
  return computed.map(([, text]) => text(context, headers));
}
