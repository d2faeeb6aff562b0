/**
 * CGI/1.1 parameters (RFC 3875, section 4.1) to what a Web `Request` is made of. One walk over the
 * parameters; texts have one character for each byte, as Fetch wants header values.
 *
 * It does not know FastCGI, nor the body.
 */
import { encodeByte } from "../runtime/raw_bytes.ts";
import type { Parameters } from "../protocol/parameters.ts";
import { type ParameterName, ParameterNames } from "./parameter_names.ts";

export interface RequestStart {
  method: string;
  url: string;
  headers: Record<string, string>;
  /** What CONTENT_LENGTH says; undefined where it says nothing. */
  contentLength: number | undefined;
  remoteAddr: string;
}

/** A request of which no `Request` can be made; the response is 400. */
export class BadRequestError extends Error {
  override readonly name = "BadRequestError";
}

/** The parameters that make up the URL. */
interface UrlParts {
  scheme: string;
  https: string;
  host: string;
  serverName: string;
  serverPort: string;
  requestUri: string;
  scriptName: string;
  pathInfo: string;
  queryString: string;
}

const HOST = /^(?:[\w.~-]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?$/;
const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: "80", https: "443" };

/** Of all requests: what one has taught about a web server is true of the next. */
const names = new ParameterNames();

/** @throws {BadRequestError} */
export function readRequestStart(parameters: Parameters): RequestStart {
  const start: RequestStart = {
    method: "",
    url: "",
    headers: {},
    contentLength: undefined,
    remoteAddr: "",
  };
  const url: UrlParts = {
    scheme: "",
    https: "",
    host: "",
    serverName: "",
    serverPort: "",
    requestUri: "",
    scriptName: "",
    pathInfo: "",
    queryString: "",
  };
  const { count } = parameters;
  let name = names.beforeFirst;
  for (let index = 0; index < count; index++) {
    name = names.at(parameters, index, name);
    if (name.meaning !== "other") takeParameter(name, parameters, index, start, url);
  }
  if (start.method === "") {
    throw new BadRequestError("Cannot read request: REQUEST_METHOD is missing");
  }
  start.url = requestUrl(url);
  return start;
}

function takeParameter(
  { meaning, header }: ParameterName,
  parameters: Parameters,
  index: number,
  start: RequestStart,
  url: UrlParts,
): void {
  const value = parameters.valueLatin1(index);
  switch (meaning) {
    case "header":
      start.headers[header] = value;
      break;
    case "host":
      start.headers[header] = url.host = value;
      break;
    case "method":
      start.method = value;
      break;
    case "contentType":
      setUnlessEmpty(start.headers, "content-type", value);
      break;
    case "contentLength":
      takeContentLength(value, start);
      break;
    case "remoteAddr":
      start.remoteAddr = parameters.value(index);
      break;
    case "other":
      break;
    default:
      url[meaning] = value;
  }
}

/** Many web servers send CONTENT_TYPE and CONTENT_LENGTH empty where the request has none. */
function setUnlessEmpty(headers: Record<string, string>, name: string, value: string): void {
  if (value !== "") headers[name] = value;
}

function takeContentLength(value: string, start: RequestStart): void {
  // Caddy says -1 of a body whose length it does not know.
  if (value === "" || value === "-1") return;
  if (!/^\d{1,15}$/.test(value)) {
    throw new BadRequestError(`Cannot read request: CONTENT_LENGTH "${value}" is not a number`);
  }
  start.contentLength = Number(value);
  start.headers["content-length"] = value;
}

function requestUrl(parts: UrlParts): string {
  const scheme = requestScheme(parts);
  return `${scheme}://${requestHost(parts, scheme)}${requestTarget(parts)}`;
}

function requestScheme({ scheme, https }: UrlParts): string {
  if (scheme === "http" || scheme === "https") return scheme;
  return https !== "" && https.toLowerCase() !== "off" ? "https" : "http";
}

function requestHost(parts: UrlParts, scheme: string): string {
  const host = parts.host !== "" ? parts.host : serverHost(parts, scheme);
  // Anything else could move the path: "host/path?" is a host that no URL may begin with.
  if (!HOST.test(host)) throw new BadRequestError(`Cannot read request: host "${host}" is not one`);
  return host;
}

function serverHost({ serverName, serverPort }: UrlParts, scheme: string): string {
  // nginx sends "_" or nothing for a server without a name.
  const name = serverName === "" ? "localhost" : serverName;
  const host = name.includes(":") && !name.startsWith("[") ? `[${name}]` : name;
  return serverPort === "" || serverPort === DEFAULT_PORTS[scheme] ? host : `${host}:${serverPort}`;
}

/** The target in origin form. What a URL parser would take for something else is encoded. */
function requestTarget(parts: UrlParts): string {
  let target = parts.requestUri;
  if (target === "") return targetFromParts(parts);
  if (!target.startsWith("/")) target = target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?]*/i, "");
  if (!target.startsWith("/")) target = `/${target}`;
  return /[^!"$-[\]-~]/.test(target) ? target.replace(/[^!"$-[\]-~]/g, encodeByte) : target;
}

/** PATH_INFO is decoded (RFC 3875, section 4.1.5), so what has a meaning in a URL is encoded. */
function targetFromParts({ scriptName, pathInfo, queryString }: UrlParts): string {
  const path = (scriptName + pathInfo).replace(/[^!$&'()*+,./0-9:;=@A-Z_a-z~-]/g, encodeByte);
  const absolute = path.startsWith("/") ? path : `/${path}`;
  if (queryString === "") return absolute;
  return `${absolute}?${queryString.replace(/[^!"$-[\]-~]/g, encodeByte)}`;
}
