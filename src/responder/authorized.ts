/** The response of an authorizer (section 6.3) that lets a request in. */
import { utf8 } from "../protocol/byte_buffer.ts";

/** What a web server takes for the name of a variable; its headers do not tell upper from lower. */
const NAME = /^[A-Z_][A-Z0-9_]*$/;

/**
 * Lets a request in, and sets variables that the web server hands to whatever answers it: each goes
 * out as a header `Variable-NAME`. Values are sent as UTF-8. Any other `Response` keeps the request
 * out and is the response to it.
 *
 * @throws {TypeError} when a name is not made of A-Z, 0-9 and _, or a value has a line end or a NUL
 * @example
 * ```ts
 * import { authorized, serveFastCgi } from "afcgi";
 *
 * const server = await serveFastCgi((request) => {
 *   if (request.headers.get("authorization") !== "Bearer sesame") {
 *     return new Response("Who are you?\n", { status: 401 });
 *   }
 *   return authorized({ REMOTE_USER: "ali baba", AUTH_TYPE: "Bearer" });
 * }, { listen: "127.0.0.1:0" });
 * await server.shutdown();
 * ```
 */
export function authorized(variables: Readonly<Record<string, string>> = {}): Response {
  const headers = new Headers();
  for (const [name, value] of Object.entries(variables)) {
    if (!NAME.test(name)) {
      throw new TypeError(
        `Cannot set variable "${name}": its name must be of A-Z, 0-9 and "_" (use "REMOTE_USER")`,
      );
    }
    // A header's text has one character for each byte.
    headers.set(`variable-${name}`, String.fromCharCode(...utf8(value)));
  }
  return new Response(null, { headers });
}
