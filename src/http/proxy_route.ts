/**
 * A route that sends its requests on to an HTTP server: the `proxy` handler. Pool, retries, limits and
 * what becomes of a response are the same as with an application behind FastCGI.
 */
import { UpgradeResponse } from "../runtime/http_response.ts";
import type { UpstreamResponse } from "../upstream/request.ts";
import { tunnelOf } from "./client_tunnel.ts";
import { type ExchangeRoute, forward } from "./fastcgi_exchange.ts";
import type { ProxyHandlerOptions } from "./options.ts";
import { ownResponse } from "./own_responses.ts";
import { isLoop } from "./proxy_fields.ts";
import { ProxyRequest, type ProxyRoute } from "./proxy_request.ts";
import type { ResponsePart, UpstreamTrace } from "./request_context.ts";
import { compileTemplate, type TemplateScope } from "./request_template.ts";
import type { RouteHandler } from "./route_handler.ts";
import { passedFields } from "./upstream_response.ts";

const LOOP = { status: 508, code: "proxy_loop" } as const;

/** What the route says, beside what the exchange needs to know. */
export interface ProxyRouteOptions {
  readonly options: ProxyHandlerOptions;
  readonly pattern: string | undefined;
  readonly stripPrefix?: string | undefined;
}

/** @throws {TemplateError} */
export function proxyHandler(
  { options: { host, headers }, pattern, stripPrefix }: ProxyRouteOptions,
  maps: TemplateScope["maps"],
  route: ExchangeRoute,
): RouteHandler {
  const scope = { pattern, maps };
  const compiled: ProxyRoute = {
    host: host === undefined ? undefined : compileTemplate(host, scope),
    fields: Object.entries(headers).map(([name, text]) => [
      name.toLowerCase(),
      text === null ? null : compileTemplate(text, scope),
    ]),
    strip: stripPrefix,
  };
  return (request, context) => {
    if (isLoop(request.headers)) return ownResponse(context, request.headers.get("accept"), LOOP);
    const tunnel = tunnelOf(request, context);
    return forward(
      route,
      request,
      context,
      (taken) => new ProxyRequest(compiled, request, context, taken, tunnel),
      tunnel && ((response) => {
        const part: ResponsePart = context;
        part.bodyProgress = response.progress;
        const trace: UpstreamTrace = context.trace;
        trace.sentFields = response.head.headers;
        const fields = [...passedFields(response.head), ["upgrade", tunnel.protocol] as const];
        return new UpgradeResponse(fields, streamOf(response), (incoming) => tunnel.open(incoming));
      }),
    );
  };
}

/** What the server has said is whole already where it has ended at once. */
function streamOf({ body }: UpstreamResponse): ReadableStream<Uint8Array> {
  if (body instanceof ReadableStream) return body;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      if (body !== null && body.length > 0) controller.enqueue(body);
      controller.close();
    },
  });
}
