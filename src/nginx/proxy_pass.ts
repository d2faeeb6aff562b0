/** `proxy_pass` → an upstream with `http`, and `proxy` of a route with the fields that are sent. */
import type { Location } from "./locations.ts";
import type { Directive } from "./parser.ts";
import type { ServerContext } from "./server_context.ts";
import { toConstant, toTemplate } from "./variables.ts";

export interface HttpPass {
  readonly upstream: string;
  /** What stands in the place of the location's name in the path; undefined: nothing does. */
  readonly uri: string | undefined;
  /** What nginx says the Host is, where nobody says another. */
  readonly host: string;
}

/** Undefined where it cannot be said. */
export function toHttpPass(
  pass: Directive,
  { scope }: Location,
  { upstreams, values, notes }: ServerContext,
): HttpPass | undefined {
  const written = (pass.args[0] ?? "").replace(/\$request_uri$/, "");
  const text = toConstant(written, values);
  const [, scheme = "", unix, host, uri] =
    /^(https?):\/\/(?:unix:([^:]+):?|([^/:]+(?::\d+)?|\[[^\]]+\](?::\d+)?))(\/.*)?$/.exec(
      text ?? "",
    ) ??
      [];
  if (scheme === "") return undefined;
  const target = unix === undefined ? host! : `unix:${unix}`;
  const upstream = upstreams.nameOfHttp(pass, { target, scheme }, scope);
  if (upstream === undefined) return undefined;
  notes.take(pass);
  return { upstream, uri, host: unix === undefined ? host! : "localhost" };
}

/** What afcgi says by itself, and whether the value is what it says. */
const OWN_FIELDS: Readonly<Record<string, RegExp>> = {
  "x-real-ip": /^\$remote_addr$/,
  "x-forwarded-for": /^\$(?:proxy_add_x_forwarded_for|remote_addr)$/,
  "x-forwarded-proto": /^\$(?:scheme|http_x_forwarded_proto|proxy_x_forwarded_proto)$/,
  "x-forwarded-scheme": /^\$scheme$/,
  "x-forwarded-host": /^\$(?:host|http_host)$/,
  "x-forwarded-server": /^\$(?:host|server_name|hostname)$/,
  "x-forwarded-port": /^\$server_port$/,
  upgrade: /^\$http_upgrade$/,
  connection: /^/,
  te: /^/,
  "content-length": /^\$content_length$/,
};

const FRAMING =
  /^(?:connection|content-length|keep-alive|transfer-encoding|te|trailer|upgrade|proxy-.*|expect)$/i;

/** Or no name of a header that we would send. */
function isFraming(name: string): boolean {
  return FRAMING.test(name) || !/^[A-Za-z0-9-]+$/.test(name);
}

/** The `proxy` of a route, and what it says of responses. */
export function proxyOptions(
  { upstream, host: passHost }: HttpPass,
  { scope }: Location,
  { notes, values }: ServerContext,
): Record<string, unknown> {
  const headers: Record<string, string | null> = {};
  let host: string | undefined = passHost;
  for (const directive of scope.all("proxy_set_header")) {
    const [name = "", value = ""] = directive.args;
    const lower = name.toLowerCase();
    if (lower === "host") {
      const template = toTemplate(value.replaceAll("$proxy_host", passHost), values);
      notes.take(directive);
      if (/^\$(?:host|http_host)(?::\$server_port)?$/.test(value)) host = undefined;
      else if (template !== undefined) host = template;
      else notes.add("lost", directive, "a variable in it has no counterpart");
      continue;
    }
    if (OWN_FIELDS[lower]?.test(value)) {
      notes.take(directive);
      continue;
    }
    const template = toTemplate(value, values);
    if (template === undefined || isFraming(name) || !/^[\x20-\x7e]*$/.test(template)) {
      notes.add(
        "lost",
        directive,
        "afcgi does not send such a header, or a variable has no counterpart",
      );
      // A client shall not say what nginx would have said.
      if (template === undefined && !isFraming(name)) headers[name] = null;
      continue;
    }
    notes.take(directive);
    headers[name] = template === "" ? null : template;
  }
  return {
    upstream,
    ...(host !== undefined && { host }),
    ...(Object.keys(headers).length > 0 && { headers }),
  };
}
