/**
 * One parameter of a query and one cookie, as they came: of several the first, by their names in any
 * case of letters, as nginx's `$arg_name` and `$cookie_name` have them. One that is not there is
 * empty.
 */
import type { HttpHeaders } from "../runtime/http_request.ts";

/** The value is not decoded. */
export function parameterOf(query: string, name: string): string {
  return valueIn(query, "&", name.toLowerCase());
}

export function cookieOf(headers: HttpHeaders, name: string): string {
  return valueIn(headers.get("cookie") ?? "", ";", name.toLowerCase());
}

function valueIn(text: string, separator: string, name: string): string {
  if (text === "") return "";
  for (const part of text.split(separator)) {
    const sign = part.indexOf("=");
    if (sign >= 0 && part.slice(0, sign).trim().toLowerCase() === name) {
      return part.slice(sign + 1).trim();
    }
  }
  return "";
}
