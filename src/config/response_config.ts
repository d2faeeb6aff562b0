/**
 * What a site and its route say of responses, put together: a route's own wins, null takes away.
 */
import type * as v from "valibot";
import type {
  ErrorPageOptions,
  MiddlewareOptions,
  ResponseOptions,
} from "../http/response_options.ts";
import { resolvePath } from "./paths.ts";
import { clientAuthOptions } from "./tls_schema.ts";
import {
  type responseEntries,
  SECURITY_HEADERS,
  type SecurityHeaderName,
} from "./response_schema.ts";

type Entries = typeof responseEntries;
export type ResponseConfig = { readonly [Key in keyof Entries]?: v.InferOutput<Entries[Key]> };

/** Undefined where nothing is said. */
export function responseOptions(layers: readonly ResponseConfig[]): ResponseOptions | undefined {
  if (layers.every(saysNothing)) return undefined;
  const pages = Object.assign({}, ...layers.map((layer) => layer.error_pages));
  const headers = layers.flatMap((layer) => layer.headers ?? []);
  if (headers.length === 0 && Object.keys(pages).length === 0) return undefined;
  return {
    headers,
    errorPages: Object.fromEntries(
      Object.entries(pages as NonNullable<ResponseConfig["error_pages"]>).map(([status, page]) => {
        const options: ErrorPageOptions = typeof page === "string"
          ? { kind: "file", path: page }
          : { kind: "text", ...page };
        return [status, options];
      }),
    ),
    interceptErrors: last(layers, "intercept_errors") ?? false,
  };
}

function saysNothing({ error_pages: pages, headers }: ResponseConfig): boolean {
  return pages === undefined && headers === undefined;
}

/** Undefined where nothing stands before the handler. */
export function middlewareOptions(
  layers: readonly ResponseConfig[],
  directory: string,
): MiddlewareOptions | undefined {
  const addresses = last(layers, "ip_restriction") ?? undefined;
  const cors = last(layers, "cors");
  const security = last(layers, "security_headers");
  const etag = last(layers, "etag");
  const client = last(layers, "client_auth");
  const options: MiddlewareOptions = {
    ipRestriction: addresses && { allow: addresses.allow ?? [], deny: addresses.deny ?? [] },
    cors: cors
      ? {
        origins: cors.origins,
        methods: cors.methods,
        headers: cors.headers,
        exposed: cors.expose,
        maxAgeS: cors.max_age === undefined ? undefined : Math.floor(cors.max_age / 1000),
        credentials: cors.credentials,
      }
      : undefined,
    basicAuth: basicAuthOptions(last(layers, "basic_auth"), directory),
    securityHeaders: security
      ? Object.fromEntries(
        Object.entries(security).map(([name, value]) => [
          SECURITY_HEADERS[name as SecurityHeaderName],
          value,
        ]),
      )
      : undefined,
    ...(client && { clientAuth: clientAuthOptions(client, directory) }),
    etag: etag || undefined,
  };
  return Object.values(options).some((value) => value !== undefined) ? options : undefined;
}

function basicAuthOptions(
  config: ResponseConfig["basic_auth"],
  directory: string,
): MiddlewareOptions["basicAuth"] {
  if (!config) return undefined;
  const { realm, users = {}, file } = config;
  const plain: Record<string, string> = {};
  const hashes: Record<string, string> = {};
  for (const [name, password] of Object.entries(users)) {
    if (typeof password === "string") plain[name] = password;
    else hashes[name] = password.hash;
  }
  return {
    realm,
    ...(Object.keys(plain).length > 0 && { users: plain }),
    ...(Object.keys(hashes).length > 0 && { hashes }),
    ...(file !== undefined && { file: resolvePath(directory, file) }),
  };
}

/** What the last layer that says anything says. */
function last<Key extends keyof ResponseConfig>(
  layers: readonly ResponseConfig[],
  key: Key,
): ResponseConfig[Key] {
  return layers.findLast((layer) => layer[key] !== undefined)?.[key];
}
