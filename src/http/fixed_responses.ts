/** Responses that the configuration gives: a text, or another place. */
import { BytesResponse } from "../runtime/http_response.ts";
import type { HandlerOptions } from "./options.ts";
import { compileTemplate } from "./request_template.ts";
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

/** `pattern` is the route's `path`. */
export function redirectHandler(
  { to, status }: OptionsOf<"redirect">,
  pattern: string | undefined,
): RouteHandler {
  const location = compileTemplate(to, pattern, encodePath);
  if (typeof location === "string") {
    const headers = { location: encodeText(location) };
    return () => new Response(null, { status, headers });
  }
  // Filled in it may begin with two slashes, or with what browsers take for them: another host.
  const isPath = to.startsWith("/");
  return (request, context) => {
    const filled = location(context, request.headers).replace(NOT_IN_URL, encodeCharacter);
    const safe = isPath ? filled.replace(/^\/+/, "/") : filled;
    return new Response(null, { status, headers: { location: safe } });
  };
}

const NOT_IN_URL = /[^\x21-\x7e]|[\\"<>^`{|}]/g;

/** A character stands for one byte. */
function encodeCharacter(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

/** A text of the configuration, as it stands in a header. */
function encodeText(text: string): string {
  return text.replace(/[^\x21-\x7e]+/g, encodeURIComponent);
}

/** A decoded path as it stands in a URL. */
function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}
