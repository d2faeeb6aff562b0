/**
 * What a site or a route makes of its answers before they go out: error pages, then headers. The
 * route that answers leaves its rules with the request, so a route that passes on leaves none, and
 * each answer meets one set of rules, whoever made it.
 */
import type { AnswerOptions } from "./answer_options.ts";
import { ErrorPages, type ErrorPageTree } from "./error_pages.ts";
import type { AnswerFilter, FrontRequest } from "./front_request.ts";
import { compileHeaderRule, type HeaderRule } from "./response_headers.ts";

export class AnswerRules implements AnswerFilter {
  readonly #pages: ErrorPages;
  readonly #onFault: ErrorPageTree["onFault"];
  readonly #interceptErrors: boolean;
  readonly #headerRules: readonly HeaderRule[];

  /** `pattern` is the route's `path`. */
  constructor(
    options: AnswerOptions,
    pattern: string | undefined,
    tree: ErrorPageTree,
  ) {
    this.#onFault = tree.onFault;
    this.#pages = new ErrorPages(options.errorPages, tree);
    this.#interceptErrors = options.interceptErrors;
    this.#headerRules = options.headers.map((rule) => compileHeaderRule(rule, pattern));
  }

  /** The answer to send. */
  async apply(front: FrontRequest, asked: Headers, answer: Response): Promise<Response> {
    const response = await this.#withPage(front, answer);
    for (const rule of this.#headerRules) rule(response.headers, front, asked);
    return response;
  }

  async #withPage(front: FrontRequest, answer: Response): Promise<Response> {
    const isOurs = front.trace.code !== undefined;
    if (!(isOurs || this.#interceptErrors) || !this.#pages.has(answer.status)) return answer;
    const page = this.#pageFor(front, answer);
    if (page === undefined) return answer;
    front.bodyProgress = undefined;
    if (!isOurs) page.headers.set("x-request-id", front.id);
    // An application's page: nobody will read it.
    answer.body?.cancel().catch(() => {});
    return page;
  }

  /** A page that cannot be had leaves the answer as it is, and is told of. */
  #pageFor(front: FrontRequest, answer: Response): Response | undefined {
    try {
      return this.#pages.replace(front.method, answer);
    } catch (error) {
      this.#onFault(error, front);
      return undefined;
    }
  }
}
