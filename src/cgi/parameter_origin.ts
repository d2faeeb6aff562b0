/**
 * Where each parameter that `parameters.ts` makes has its value from, for people who wonder. It says
 * nothing about values.
 */
import { headerParameterName } from "./header_names.ts";

/** `route`: what the route decided, such as the script that it found. */
export type ParameterOrigin =
  | "afcgi"
  | "client"
  | "listener"
  | "request line"
  | "route"
  | "route params"
  | "site root"
  | `header ${string}`;

const ORIGINS: Readonly<Record<string, ParameterOrigin>> = {
  GATEWAY_INTERFACE: "afcgi",
  SERVER_SOFTWARE: "afcgi",
  REDIRECT_STATUS: "afcgi",
  DOCUMENT_ROOT: "site root",
  REQUEST_METHOD: "request line",
  REQUEST_URI: "request line",
  QUERY_STRING: "request line",
  SERVER_PROTOCOL: "request line",
  DOCUMENT_URI: "route",
  SCRIPT_NAME: "route",
  PATH_INFO: "route",
  PATH_TRANSLATED: "route",
  SCRIPT_FILENAME: "route",
  FCGI_DATA_LENGTH: "route",
  FCGI_DATA_LAST_MOD: "route",
  CONTENT_TYPE: "header content-type",
  CONTENT_LENGTH: "header content-length",
  SERVER_NAME: "header host",
  REQUEST_SCHEME: "listener",
  HTTPS: "listener",
  SERVER_PORT: "listener",
  SERVER_ADDR: "listener",
  REMOTE_ADDR: "client",
  REMOTE_PORT: "client",
};

/** What a request brought that decides where its parameters come from. */
export interface OriginSources {
  /** Names that the route's configuration sets. */
  readonly configured: ReadonlySet<string>;
  /** Lower-case names of the request's fields. */
  readonly headers: Iterable<string>;
  /** Whether the Host named a port. */
  readonly hostHasPort: boolean;
}

/** Undefined for a parameter that somebody else has added. */
export function parameterOrigin(name: string, sources: OriginSources): ParameterOrigin | undefined {
  if (sources.configured.has(name)) return "route params";
  if (name === "SERVER_PORT" && sources.hostHasPort) return "header host";
  if (Object.hasOwn(ORIGINS, name)) return ORIGINS[name];
  for (const header of sources.headers) {
    if (headerParameterName(header) === name) return `header ${header}`;
  }
  return undefined;
}
