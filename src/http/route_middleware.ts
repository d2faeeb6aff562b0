/**
 * Hono's own middleware before a route's handler, for routes that ask for it: authentication, then
 * what is added on the way out. What it refuses is answered by us, so that every refusal looks and is
 * logged the same.
 */
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { etag } from "hono/etag";
import { secureHeaders } from "hono/secure-headers";
import { Authorities } from "../certificates/authorities.ts";
import { type ClientCheck, compileClientCheck } from "./client_certificates.ts";
import type { CorsOptions, MiddlewareOptions } from "./response_options.ts";
import { ownResponse } from "./own_responses.ts";
import { authenticate } from "./basic_authentication.ts";
import type { GatewayEnv, OwnResponse, ResponsePart } from "./request_context.ts";
import type { SiteDeps } from "./site_deps.ts";
import { addressBytes, IpNetworks } from "./ip_networks.ts";

type Middleware = MiddlewareHandler<GatewayEnv>;

/** In the order in which they are met. A preflight has no credentials, so CORS comes before them. */
export function compileMiddleware(
  options: MiddlewareOptions,
  deps: Pick<SiteDeps, "authorities" | "runtime">,
): Middleware[] {
  const list: Middleware[] = [];
  const { ipRestriction: ip, cors: crossOrigin, basicAuth: auth, securityHeaders, clientAuth } =
    options;
  if (ip !== undefined) list.push(restrictAddresses(ip));
  if (crossOrigin !== undefined) list.push(cors(corsOptions(crossOrigin)));
  if (clientAuth !== undefined) {
    const { authorities = new Authorities(), runtime: { clock } } = deps;
    list.push(checkClient(compileClientCheck(clientAuth, authorities, () => clock.wallMs())));
  }
  if (auth !== undefined) list.push(authenticate(auth, deps));
  if (securityHeaders !== undefined) {
    const { strictTransportSecurity: hsts = true, ...others } = securityHeaders;
    list.push(secureHeaders({ ...others, strictTransportSecurity: false }));
    if (hsts !== false) list.push(tellHsts(hsts === true ? DEFAULT_HSTS : hsts));
  }
  if (options.etag) list.push(tagWhole());
  return list;
}

/** 180 days, as Hono has it; what is below the host is another's affair, unless it is said. */
const DEFAULT_HSTS = "max-age=15552000";

/** A browser takes it over TLS alone (RFC 6797 section 8.1), and over HTTP anybody could have set it. */
function tellHsts(value: string): Middleware {
  return async (c, next) => {
    await next();
    if (c.env.listener.scheme === "https") c.res.headers.set("Strict-Transport-Security", value);
  };
}

/** Who shows no certificate that will do is refused. */
function checkClient(check: ClientCheck): Middleware {
  return (c, next) => {
    const refusal = check(c.env);
    if (refusal === undefined) return next();
    return Promise.resolve(ownResponse(c.env, c.req.raw.headers.get("accept"), refusal));
  };
}

/** The response to what a middleware refused. */
export function middlewareRefusal(status: number, headers: Headers): OwnResponse {
  const challenge = headers.get("www-authenticate");
  return status === 401 && challenge !== null
    ? { status: 401, code: "unauthorized", headers: { "www-authenticate": challenge } }
    : { status: 403, code: "forbidden" };
}

/**
 * Who is denied stays out, and so does everybody else where some are allowed. A client without an
 * address, on a unix socket or behind a proxy that does not tell it, stays out in any case.
 */
function restrictAddresses(
  { allow, deny }: NonNullable<MiddlewareOptions["ipRestriction"]>,
): Middleware {
  const allowed = new IpNetworks(allow);
  const denied = new IpNetworks(deny);
  return (c, next) => {
    const { host } = c.env.peer;
    const isIn = addressBytes(host) !== undefined && !denied.hasOfFamily(host) &&
      (allow.length === 0 || allowed.hasOfFamily(host));
    if (isIn) return next();
    const accept = c.req.raw.headers.get("accept");
    return Promise.resolve(ownResponse(c.env, accept, { status: 403, code: "forbidden" }));
  };
}

function corsOptions({ origins, methods, headers, exposed, maxAgeS, credentials }: CorsOptions) {
  return {
    origin: origins.includes("*") ? "*" : [...origins],
    ...(methods && { allowMethods: [...methods] }),
    allowHeaders: [...headers],
    exposeHeaders: [...exposed],
    ...(maxAgeS !== undefined && { maxAge: maxAgeS }),
    credentials,
  };
}

/**
 * Entity tags for responses that are there whole. Hono reads all of a body before it sends any: a
 * stream would be held in memory without a bound, and an event stream would never begin.
 */
function tagWhole(): Middleware {
  const tag = etag();
  return async (c, next) => {
    await next();
    const context = c.env;
    const isWhole = context.bodyProgress === undefined || context.bodyProgress.ended;
    if (context.method !== "GET" || c.res.status !== 200 || !isWhole) return;
    const before = c.res;
    await tag(c, () => Promise.resolve());
    const part: ResponsePart = context;
    if (c.res !== before) part.bodyProgress = undefined;
  };
}
