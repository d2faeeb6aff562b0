/** Who reads the header section of the response to a request: its own parser, or that of CGI. */
import { CgiResponseParser, type ResponseHeaderParser } from "../protocol/cgi_response.ts";
import type { ExchangeContext } from "./exchange_context.ts";
import type { UpstreamRequest } from "./request.ts";

export function headerParserFor(
  request: UpstreamRequest,
  { options, headerCache }: Pick<ExchangeContext<unknown>, "options" | "headerCache">,
): ResponseHeaderParser {
  const { responseHeaderMax } = options.limits;
  return request.headerParser?.(responseHeaderMax) ??
    new CgiResponseParser(responseHeaderMax, headerCache, request.onInterim);
}
