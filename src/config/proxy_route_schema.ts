/** The schema of routes that ask an HTTP server: for a response, or whether a request may go on. */
import * as v from "valibot";
import { isFramingHeader } from "../http/response_headers.ts";
import { templateText } from "./params_schema.ts";
import { described, list, optional, refuse, section, textLike } from "./schema_parts.ts";

const upstreamName = () => v.string("use the name of an upstream");

const headerName = () =>
  v.pipe(
    textLike(/^[A-Za-z0-9-]+$/, 'use a header\'s name, of letters, digits and "-"'),
    refuse((name) =>
      isOurs(name) ? `Header "${name}" is the HTTP client's to write (take it out)` : undefined
    ),
  );

/** Host has a key of its own; the others frame the request, or are of one hop. */
function isOurs(name: string): boolean {
  return isFramingHeader(name) ||
    ["host", "te", "trailer", "upgrade", "expect"].includes(name.toLowerCase());
}

export function proxySchema() {
  return section({
    upstream: described(upstreamName(), "Upstream with http"),
    host: optional(
      v.pipe(templateText(), v.regex(/^[\x21-\x7e]+$/, "use a host, such as api.internal")),
      "Host that the server is asked for; default: the client's",
    ),
    headers: optional(
      v.record(
        headerName(),
        v.nullable(v.pipe(templateText(), v.regex(/^[\x20-\x7e]*$/, "use ASCII on one line"))),
        "use a map of names and texts",
      ),
      "Headers to send, in place of the client's; null: not sent; default: none",
    ),
  }, "upstream");
}

export function forwardAuthSchema() {
  return section({
    upstream: described(upstreamName(), "Upstream with http that is asked"),
    uri: described(
      textLike(/^\/[\x21-\x7e]*$/, "use a path with or without a query, such as /api/verify"),
      "Path that is asked for with GET; a response of status 2xx lets the request on",
    ),
    copy_headers: optional(
      list(
        textLike(/^[A-Za-z0-9-]+$/, 'use a header\'s name, of letters, digits and "-"'),
        "use a list of headers' names",
      ),
      "Headers of that response that the request gets; a client's own are always removed; default: none",
    ),
  });
}
