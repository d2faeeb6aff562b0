/**
 * What a site or a route makes of its responses before they go out: error pages, then headers. The
 * route that answers leaves its rules with the request, so a route that passes on leaves none, and
 * each response meets one set of rules, whoever made it.
 */
import type { ResponseOptions } from "./response_options.ts";
import { ErrorPages, type ErrorPageTree } from "./error_pages.ts";
import type { RequestContext, ResponseFilter, ResponsePart } from "./request_context.ts";
import { compileHeaderRule, type HeaderRule } from "./response_headers.ts";
import type { TemplateScope } from "./request_template.ts";
import type { HttpHeaders } from "../runtime/http_request.ts";

export class ResponseRules implements ResponseFilter {
  readonly #pages: ErrorPages;
  readonly #onError: ErrorPageTree["onError"];
  readonly #interceptErrors: boolean;
  readonly #headerRules: readonly HeaderRule[];

  constructor(options: ResponseOptions, scope: TemplateScope, tree: ErrorPageTree) {
    this.#onError = tree.onError;
    this.#pages = new ErrorPages(options.errorPages, tree);
    this.#interceptErrors = options.interceptErrors;
    this.#headerRules = options.headers.map((rule) => compileHeaderRule(rule, scope));
  }

  async apply(context: RequestContext, asked: HttpHeaders, original: Response): Promise<Response> {
    const response = await this.#withPage(context, original);
    for (const rule of this.#headerRules) rule(response.headers, context, asked);
    return response;
  }

  async #withPage(context: RequestContext, original: Response): Promise<Response> {
    const isOurs = context.trace.code !== undefined;
    if (!(isOurs || this.#interceptErrors) || !this.#pages.has(original.status)) return original;
    const page = this.#pageFor(context, original);
    if (page === undefined) return original;
    const part: ResponsePart = context;
    part.bodyProgress = undefined;
    if (!isOurs) page.headers.set("x-request-id", context.id);
    // An application's page: nobody will read it.
    original.body?.cancel().catch(() => {});
    return page;
  }

  /** A page that cannot be had leaves the response as it is, and is told of. */
  #pageFor(context: RequestContext, original: Response): Response | undefined {
    try {
      return this.#pages.replace(context.method, original);
    } catch (error) {
      this.#onError(error, context);
      return undefined;
    }
  }
}
