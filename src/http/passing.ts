/** Which requests a route that serves files leaves to the next one, and whose source it never shows. */
import type { Context, Next } from "hono";
import { cutScriptPath, isScriptName } from "../cgi/script_path.ts";
import type { StaticRefusal } from "../static/refusal.ts";
import { ownResponse } from "./answers.ts";
import type { AnswerCode, FrontEnv, FrontRequest, OwnAnswer } from "./front_request.ts";
import type { RouteOptions } from "./options.ts";

/** Refusals after which another route may know better. */
const PASSED_ON: ReadonlySet<AnswerCode> = new Set([
  "no_such_file",
  "script_source",
  "method_not_allowed",
]);

/** Leaves the request to the next route where that may know better, else refuses it. */
export function passOrRefuse(
  c: Context<FrontEnv>,
  next: Next,
  refusal: StaticRefusal,
): Response | Promise<never> {
  // Who was sent here by an application would only meet it again.
  if (!PASSED_ON.has(refusal.code) || c.env.handedOver !== undefined) {
    return ownResponse(c.env, c.req.raw.headers.get("accept"), refusal);
  }
  notePassed(c.env, refusal);
  return next() as Promise<never>;
}

/** Of several routes that pass, the first that had more to say than that there is no file. */
export function notePassed(front: FrontRequest, answer: OwnAnswer): void {
  if (front.passed === undefined || front.passed.code === "no_such_file") front.passed = answer;
}

/** Which names are those of programs on this site: their source is nobody's. */
export function sourceNames(routes: readonly RouteOptions[]): (path: string) => boolean {
  const texts = routes.flatMap(({ handler }) =>
    handler.kind === "php" || handler.kind === "fastcgi" ? handler.splitPath ?? [] : []
  );
  const runsPhp = routes.some(runsScripts);
  if (texts.length === 0) return runsPhp ? isScriptName : () => false;
  return (path) => {
    const name = path.slice(path.lastIndexOf("/"));
    if (runsPhp && isScriptName(name)) return true;
    return cutScriptPath(name, 0, { texts, anyCase: true }) !== undefined;
  };
}

/** Whether the route's files are PHP's. */
function runsScripts({ path, handler }: RouteOptions): boolean {
  if (handler.kind === "php") return true;
  return handler.kind === "fastcgi" && path !== undefined && isScriptName(path);
}
