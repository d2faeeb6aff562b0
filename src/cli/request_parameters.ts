/**
 * From a request that the command line describes to its CGI parameters, made as the gateway makes
 * them. A field that the gateway would leave out is refused: nobody should look for it in vain.
 */
import { headerParameterName } from "../cgi/header_names.ts";
import { ParameterTemplate } from "../cgi/parameters.ts";
import { parseHost, type RequestHost } from "../http/host.ts";
import { UsageError } from "./command.ts";
import { readUrlArgument } from "./http_flags.ts";
import { PROGRAM_VERSION } from "./program_version.ts";
import { placeScript } from "./script_place.ts";

export interface RequestDescription {
  readonly method: string;
  /** Left out: "/", or the script's name. */
  readonly url: URL | undefined;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  /** Absolute path, as the application sees it. */
  readonly script: string | undefined;
  /** Parameters that win over all others. */
  readonly own: Readonly<Record<string, string>>;
}

const LOCAL_ADDRESS = "127.0.0.1";
const DEFAULT_PORTS = { http: 80, https: 443 } as const;

/** @throws {UsageError} when what is described cannot be sent */
export function requestParameters(asked: RequestDescription): [name: string, value: string][] {
  const { method, script, own } = asked;
  const url = asked.url ?? defaultUrl(script);
  const scheme = url.protocol === "https:" ? "https" : "http";
  const headers = sentHeaders(asked.headers, url);
  const host = readHost(headers);
  const path = decodedPath(url);
  // Without a script it is as nginx sends it: php-fpm looks for its status page's path in both.
  const place = script === undefined
    ? { scriptName: path, pathInfo: "", documentRoot: undefined }
    : placeScript(script, path);
  const { scriptName, pathInfo, documentRoot } = place;
  const serverSoftware = `afcgi/${PROGRAM_VERSION}`;
  return new ParameterTemplate({ serverSoftware, documentRoot, params: own }).list({
    method,
    protocol: "HTTP/1.1",
    scheme,
    target: url.pathname + url.search,
    scriptName,
    pathInfo,
    query: url.search.slice(1),
    scriptFilename: script ?? path,
    serverName: host.name,
    serverPort: host.port ?? DEFAULT_PORTS[scheme],
    serverAddress: LOCAL_ADDRESS,
    remoteAddress: LOCAL_ADDRESS,
    remotePort: 0,
    headers,
    contentType: headers.get("content-type"),
    // The client counts the body.
    contentLength: undefined,
  });
}

function defaultUrl(script: string | undefined): URL {
  const name = script === undefined ? "" : script.slice(script.lastIndexOf("/") + 1);
  return readUrlArgument(`/${encodeURIComponent(name)}`);
}

/** As the parameters want them: a character of a value for each of its bytes. */
function sentHeaders(given: ReadonlyMap<string, string>, url: URL): Map<string, string> {
  const headers = new Map([["host", url.host]]);
  for (const [name, value] of given) {
    requireSendable(name);
    headers.set(name, String.fromCharCode(...new TextEncoder().encode(value)));
  }
  return headers;
}

function requireSendable(name: string): void {
  if (name === "content-type" || headerParameterName(name) !== undefined) return;
  const remedy = name === "content-length" ? "it is the length of --body" : "use --param";
  throw new UsageError(`--header: "${name}" never becomes a parameter (${remedy})`);
}

function readHost(headers: ReadonlyMap<string, string>): RequestHost {
  const text = headers.get("host")!;
  const host = parseHost(text);
  if (host !== undefined) return host;
  throw new UsageError(`--header: Host "${text}" is malformed (use a name, such as "example.com")`);
}

function decodedPath(url: URL): string {
  try {
    return decodeURIComponent(url.pathname);
  } catch {
    throw new UsageError(`The path "${url.pathname}" is not UTF-8 (use --param SCRIPT_NAME=...)`);
  }
}
