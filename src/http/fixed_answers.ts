/** Answers that the configuration gives: a text, or another place. */
import type { Handler } from "hono";
import type { FrontEnv } from "./front_request.ts";
import type { HandlerOptions } from "./options.ts";
import { compileTemplate } from "./request_template.ts";
import { isBodilessStatus } from "./upstream_response.ts";

type OptionsOf<Kind extends HandlerOptions["kind"]> = Extract<HandlerOptions, { kind: Kind }>;

export function respondHandler({ status, body }: OptionsOf<"respond">): Handler<FrontEnv> {
  if (isBodilessStatus(status)) return () => new Response(null, { status });
  const bytes = new TextEncoder().encode(body);
  const headers = {
    "content-type": "text/plain; charset=utf-8",
    "content-length": String(bytes.length),
  };
  return () => new Response(bytes, { status, headers });
}

/** `pattern` is the route's `path`. */
export function redirectHandler(
  { to, status }: OptionsOf<"redirect">,
  pattern: string | undefined,
): Handler<FrontEnv> {
  const location = compileTemplate(to, pattern, encodePath);
  if (typeof location === "string") return (c) => c.redirect(location, status as 308);
  // Filled in it may begin with two slashes, or with what browsers take for them: another host.
  const isPath = to.startsWith("/");
  return (c) => {
    const filled = location(c.env, c.req.raw.headers).replace(NOT_IN_URL, encodeCharacter);
    const safe = isPath ? filled.replace(/^\/+/, "/") : filled;
    return new Response(null, { status, headers: { location: safe } });
  };
}

const NOT_IN_URL = /[^\x21-\x7e]|[\\"<>^`{|}]/g;

/** A character stands for one byte. */
function encodeCharacter(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

/** A decoded path as it stands in a URL. */
function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}
