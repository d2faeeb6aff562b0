/**
 * A route's authorizer: asked before what the route does, with the request's parameters alone
 * (FastCGI specification section 6.3). A complete response with status 200 lets the request on, and
 * its `Variable-*` fields become parameters of it; any other response is the client's.
 *
 * Who keeps people out must not let them in by a half-understood response: one that breaks off,
 * says nothing at all, leads elsewhere, or whose variables could be read in two ways, lets nobody
 * in.
 */
import { asResponse } from "../runtime/http_response.ts";
import { Role } from "../protocol/constants.ts";
import { UpstreamError } from "../upstream/errors.ts";
import type { UpstreamResponse } from "../upstream/request.ts";
import { deliver, type FastCgiRoute, noteSource, refuseWithError } from "./fastcgi_exchange.ts";
import type { ParameterPart, RequestContext, UpstreamTrace } from "./request_context.ts";
import { GatewayRequest } from "./gateway_request.ts";
import type { ParamOptions } from "./options.ts";
import { giveUpBody } from "./upstream_response.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

/** Most bytes of a body beside a 200; nobody reads them, so an authorizer has no use for more. */
export const GRANT_BODY_MAX = 64 * 1024;

/** Parameters that no authorizer is sent, whatever the configuration says (section 6.3). */
export const NEVER_AUTHORIZERS: ParamOptions = {
  CONTENT_LENGTH: null,
  PATH_INFO: null,
  PATH_TRANSLATED: null,
  SCRIPT_NAME: null,
};

const GRANTED = 200;
const VARIABLE = "variable-";
/** A page to log in, mostly: who says so does not mean that the request may go on. */
const LEADS_ELSEWHERE: ReadonlySet<string> = new Set([
  "location",
  "x-accel-redirect",
  "x-sendfile",
]);
const NAME = /^[A-Z_][A-Z0-9_]*$/;

/** The response to a request that is kept out; undefined for one that may go on. */
export type Authorizer = (
  request: HttpRequest,
  context: RequestContext,
) => Promise<Response | undefined>;

export function createAuthorizer(route: FastCgiRoute): Authorizer {
  return async (request, context) => {
    try {
      const response = await route.upstream.send(new AuthorizerRequest(route, request, context));
      if (response.head.status !== GRANTED) {
        const trace: UpstreamTrace = context.trace;
        trace.upstream = route.upstream.options.name;
        noteSource(trace, response.source);
        return await asResponse(deliver(route, request, context, response));
      }
      const variables = variablesOf(response);
      await readOut(response);
      // Of two authorizers on the way of a request that is handed over, the later one knows more.
      const part: ParameterPart = context;
      part.extra = new Map([...context.extra ?? [], ...variables]);
      return undefined;
    } catch (cause) {
      const trace: UpstreamTrace = context.trace;
      trace.upstream = route.upstream.options.name;
      return refuseWithError(route, request, context, cause);
    }
  };
}

class AuthorizerRequest extends GatewayRequest {
  override readonly role: Role = Role.AUTHORIZER;

  /** Nothing that it says before its response is the client's. */
  override get onInterim(): undefined {
    return undefined;
  }

  constructor(route: FastCgiRoute, request: HttpRequest, context: RequestContext) {
    const script = { scriptName: "", pathInfo: context.target.path, scriptFilename: undefined };
    super(route, request, context, script, { kind: "none", contentLength: undefined });
  }
}

/** @throws {UpstreamError} `bad_answer` */
function variablesOf(response: UpstreamResponse): ReadonlyMap<string, string> {
  if (response.head.isEmpty) throw refused(response, "it says nothing, which lets nobody in");
  const variables = new Map<string, string>();
  for (const [field, value] of response.head.headers) {
    if (LEADS_ELSEWHERE.has(field.toLowerCase())) {
      throw refused(response, `"${field}" leads elsewhere, and status 200 lets the request on`);
    }
    if (!field.toLowerCase().startsWith(VARIABLE)) continue;
    // Fields do not tell upper from lower, parameters do; and none has a "-", as with HTTP_*.
    const name = field.slice(VARIABLE.length).toUpperCase().replaceAll("-", "_");
    if (!NAME.test(name)) throw refused(response, `"${field}" names no variable`);
    if (variables.has(name)) throw refused(response, `"${field}" is there twice`);
    // It frames the body: with another value the application would take half of it, or wait.
    if (name === "CONTENT_LENGTH") throw refused(response, `"${field}" is not for it to say`);
    variables.set(name, value);
  }
  return variables;
}

/** @throws {UpstreamError} when the response breaks off */
async function readOut(response: UpstreamResponse): Promise<void> {
  if (!(response.body instanceof ReadableStream)) return;
  let length = 0;
  for await (const bytes of response.body) {
    length += bytes.length;
    if (length > GRANT_BODY_MAX) {
      throw refused(response, `the body that goes with it is over ${GRANT_BODY_MAX} bytes`);
    }
  }
}

function refused(response: UpstreamResponse, what: string): UpstreamError {
  if (response.body instanceof ReadableStream && !response.body.locked) giveUpBody(response);
  const error = new UpstreamError("bad_answer", `Cannot take the authorizer's response: ${what}`, {
    phase: "body",
    sent: true,
  });
  error.server = response.source.server;
  return error;
}
