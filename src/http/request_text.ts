/** What a text of the configuration makes of a request; each character stands for one byte. */
import type { HttpHeaders } from "../runtime/http_request.ts";
import type { RequestContext } from "./request_context.ts";

export type RequestText = (context: RequestContext, headers: HttpHeaders) => string;
