/**
 * The application of `afcgi demo` and `afcgi responder`: routes for trying what a FastCGI
 * application can be asked to do. Whatever a query asks for has a bound, and what is large is
 * streamed. Times are waited for in steps that end when the client leaves.
 */
import { type Context, Hono } from "hono";
import { currentRuntime } from "../runtime/current.ts";
import type { Clock } from "../runtime/clock.ts";
import { authorized } from "./authorized.ts";
import { DEMO_PAGE } from "./demo_page.ts";
import type { FastCgiHandler, RequestInfo } from "./options.ts";

export interface DemoOptions {
  /** Holds every response for so long. */
  readonly delayMs?: number;
  readonly clock?: Clock;
  /** Ends the process at once; left out: there is no `/die`. */
  readonly die?: () => void;
}

/** Bounds of what a query can ask for. */
export const DEMO_LIMITS = {
  delayMs: 600_000,
  bytes: 1024 ** 3,
  chunks: 100_000,
  stderrLength: 64 * 1024,
} as const;

const PIECE_LENGTH = 64 * 1024;
const TEXT = { "content-type": "text/plain; charset=utf-8" };

type DemoContext = Context<{ Bindings: RequestInfo }>;

/** A query that asks for something that is not to be had; the response is 400. */
class QueryError extends Error {}

/** The application as a fetch handler for `serveFastCgi`. */
export function demoApp(options: DemoOptions = {}): FastCgiHandler {
  const clock = options.clock ?? currentRuntime().clock;
  const { delayMs = 0 } = options;
  const app = new Hono<{ Bindings: RequestInfo }>();
  app.onError((error, context) => {
    if (error instanceof QueryError) return context.text(`${error.message}\n`, 400);
    throw error; // serveFastCgi answers 500 and tells the web server.
  });
  app.notFound((context) => context.text(`There is no ${context.req.path}; try /\n`, 404));
  addPlainRoutes(app);
  addTimedRoutes(app, clock);
  if (options.die !== undefined) addDie(app, options.die);
  return async (request, info) => {
    if (delayMs > 0) await wait(clock, delayMs, request.signal);
    if (info.role === "authorizer") return authorize(request);
    if (info.role === "filter") return new Response(info.data, { headers: TEXT });
    return app.fetch(request, info);
  };
}

function addPlainRoutes(app: Hono<{ Bindings: RequestInfo }>): void {
  app.get("/", (context) => context.html(DEMO_PAGE));
  app.all("/env", env);
  app.all("/echo", echo);
  app.all("/headers", headers);
  app.get("/bytes", (context) => {
    const length = numberOf(context, "n", 1024, DEMO_LIMITS.bytes);
    return new Response(patternStream(length), {
      headers: { "content-type": "application/octet-stream", "content-length": String(length) },
    });
  });
  app.all("/status", (context) => {
    const status = numberOf(context, "code", 200, 599, 200);
    const empty = status === 204 || status === 205 || status === 304;
    return new Response(empty ? null : `Status ${status}\n`, { status, headers: TEXT });
  });
  app.all("/stderr", async (context) => {
    const text = (context.req.query("text") ?? "A line on STDERR").slice(
      0,
      DEMO_LIMITS.stderrLength,
    );
    const sent = await context.env.stderr.write(`${text}\n`);
    return context.text(sent ? "Written to STDERR\n" : "Too late for STDERR\n");
  });
  app.get("/connections", (context) => {
    const { server } = context.env;
    return context.json({
      connections: server.connectionsUsed,
      connectionsSeen: server.connectionsSeen,
      connectionsOpen: server.connectionsOpen,
      requestsInFlight: server.requestsActive,
      requestsInFlightMax: server.requestsActiveMax,
      requests: server.requestsSeen,
    });
  });
  app.get("/throw", () => {
    throw new Error("This handler always throws");
  });
}

/** An application that crashes: what its web server makes of the requests in flight. */
function addDie(app: Hono<{ Bindings: RequestInfo }>, die: () => void): void {
  app.all("/die", () => {
    die();
    return new Promise<never>(() => {});
  });
}

function addTimedRoutes(app: Hono<{ Bindings: RequestInfo }>, clock: Clock): void {
  app.all("/slow", async (context) => {
    const ms = numberOf(context, "ms", 1_000, DEMO_LIMITS.delayMs);
    await wait(clock, ms, context.req.raw.signal);
    return context.text(`Waited ${ms} ms\n`);
  });
  app.get("/stream", (context) => {
    const lines = linesFrom(context, clock, (index, count) => `chunk ${index} of ${count}\n`);
    return new Response(lines, { headers: TEXT });
  });
  app.get("/sse", (context) => {
    const events = linesFrom(context, clock, (index) => `id: ${index}\ndata: event ${index}\n\n`);
    return new Response(events, {
      headers: { "content-type": "text/event-stream", "cache-control": "no-cache" },
    });
  });
  app.get("/broken", (context) => {
    const broken = linesFrom(context, clock, (index, count) => {
      if (index === count) throw new Error("This body always fails at its last chunk");
      return `chunk ${index} of ${count}\n`;
    });
    return new Response(broken, { headers: TEXT });
  });
}

/** An authorizer (section 6.3) that lets everybody in but who asks for `?deny`. */
function authorize(request: Request): Response {
  if (new URL(request.url).searchParams.has("deny")) {
    return new Response("Denied\n", { status: 403, headers: TEXT });
  }
  return authorized({ AFCGI_AUTHORIZED: "1" });
}

/** Every parameter as the web server sent it. */
function env(context: DemoContext): Response {
  const params = [...context.env.params].sort(([one], [other]) => (one < other ? -1 : 1));
  if (context.req.header("accept")?.includes("application/json")) {
    return context.json(Object.fromEntries(params));
  }
  return context.text(params.map(([name, value]) => `${name}=${value}\n`).join(""));
}

/** The body as it comes in; without one, what else the request says. */
function echo(context: DemoContext): Response {
  const request = context.req.raw;
  const { pathname, search } = new URL(request.url);
  const sent = new Headers({ "x-echo-method": request.method });
  if (request.body === null) {
    const lines = [...request.headers].map(([name, value]) => `${name}: ${value}\n`).join("");
    sent.set("content-type", TEXT["content-type"]);
    return new Response(`${request.method} ${pathname}${search}\n${lines}`, { headers: sent });
  }
  for (const name of ["content-type", "content-length"]) {
    const value = request.headers.get(name);
    if (value !== null) sent.set(name, value);
  }
  return new Response(request.body, { headers: sent });
}

/** The request's headers, under headers that web servers like to get wrong. */
function headers(context: DemoContext): Response {
  const sent = new Headers({ "content-type": "application/json", "x-empty": "" });
  sent.append("set-cookie", "first=1; Path=/");
  sent.append("set-cookie", "second=2; Expires=Fri, 31 Dec 2100 23:59:59 GMT");
  sent.append("vary", "accept");
  sent.append("vary", "accept-encoding");
  const seen = Object.fromEntries(context.req.raw.headers);
  return new Response(`${JSON.stringify(seen, null, 2)}\n`, { headers: sent });
}

/** `?chunks=` lines, `?ms=` apart; the first comes at once. */
function linesFrom(
  context: DemoContext,
  clock: Clock,
  lineOf: (index: number, count: number) => string,
): ReadableStream<Uint8Array> {
  const count = numberOf(context, "chunks", 10, DEMO_LIMITS.chunks);
  const ms = numberOf(context, "ms", 100, DEMO_LIMITS.delayMs);
  const { signal } = context.req.raw;
  const encoder = new TextEncoder();
  let index = 0;
  return new ReadableStream({
    async pull(controller) {
      if (index === count) return controller.close();
      if (index > 0) await wait(clock, ms, signal);
      index++;
      controller.enqueue(encoder.encode(lineOf(index, count)));
    },
  }, { highWaterMark: 0 });
}

/** `0123456789abcdef` repeatedly, made as it is read. */
function patternStream(length: number): ReadableStream<Uint8Array> {
  const piece = new TextEncoder().encode("0123456789abcdef".repeat(PIECE_LENGTH / 16));
  let left = length;
  return new ReadableStream({
    pull(controller) {
      if (left === 0) return controller.close();
      const count = Math.min(left, PIECE_LENGTH);
      left -= count;
      controller.enqueue(piece.slice(0, count));
    },
  }, { highWaterMark: 0 });
}

/** @throws {QueryError} when the query has something else than a number within the bounds */
function numberOf(context: DemoContext, name: string, byDefault: number, max: number, min = 0) {
  const text = context.req.query(name);
  if (text === undefined) return byDefault;
  const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new QueryError(`Cannot take ${name} "${text}": use a number from ${min} to ${max}`);
}

/** Rejects with the signal's reason when the client leaves. */
function wait(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    if (ms === 0) return resolve();
    const onAbort = () => {
      clock.clearTimer(timer);
      reject(signal.reason);
    };
    const timer = clock.setTimer(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
