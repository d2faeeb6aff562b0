/** Responses that the configuration gives: a text, or another place. */
import { BytesResponse } from "../runtime/http_response.ts";
import type { HandlerOptions } from "./options.ts";
import { compileLocation } from "./redirect_location.ts";
import type { TemplateScope } from "./request_template.ts";
import type { RouteHandler } from "./route_handler.ts";
import { isBodilessStatus } from "./upstream_response.ts";

type OptionsOf<Kind extends HandlerOptions["kind"]> = Extract<HandlerOptions, { kind: Kind }>;

export function respondHandler({ status, body }: OptionsOf<"respond">): RouteHandler {
  if (isBodilessStatus(status)) return () => new Response(null, { status });
  const bytes = new TextEncoder().encode(body);
  const fields: [string, string][] = [["content-type", "text/plain; charset=utf-8"]];
  const withLength = new Headers([...fields, ["content-length", String(bytes.length)]]);
  return (_request, { method }) =>
    method === "HEAD"
      ? new Response(null, { status, headers: withLength })
      : new BytesResponse(status, fields, bytes);
}

export function redirectHandler(
  { to, status }: OptionsOf<"redirect">,
  scope: TemplateScope,
): RouteHandler {
  const location = compileLocation(to, scope);
  if (typeof location === "string") {
    const headers = { location: encodeText(location) };
    return () => new Response(null, { status, headers });
  }
  return (request, context) => {
    const headers = { location: location(context, request.headers) };
    return new Response(null, { status, headers });
  };
}

/** A text of the configuration, as it stands in a header. */
function encodeText(text: string): string {
  return text.replace(/[^\x21-\x7e]+/g, encodeURIComponent);
}
