/**
 * What becomes of a verdict's body, of an HTTP server that is asked first and of an authorizer: it is read,
 * given up, or the client's, and never left half: its connection would be held for good.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createAuthorizer } from "../../src/http/authorize.ts";
import { createForwardAuth } from "../../src/http/forward_auth.ts";
import type { FastCgiRoute } from "../../src/http/fastcgi_exchange.ts";
import type { RequestContext } from "../../src/http/request_context.ts";
import { UPSTREAM_DEFAULTS } from "../../src/upstream/options.ts";
import type { UpstreamResponse } from "../../src/upstream/request.ts";
import { untilIdle } from "../support/idle.ts";

interface Verdict {
  readonly status: number;
  readonly headers?: readonly (readonly [string, string])[];
  /** Whether its body goes on for ever. */
  readonly isEndless?: boolean;
  /** Whether the request goes on. */
  readonly goesOn: boolean;
}

const VERDICTS: Readonly<Record<string, Record<string, Verdict>>> = {
  "an HTTP server": {
    "lets it on": { status: 200, goesOn: true },
    "lets it on, and talks for ever": { status: 200, isEndless: true, goesOn: true },
    "lets it on without content": { status: 204, goesOn: true },
    "says a field twice": {
      status: 200,
      headers: [["remote-user", "a"], ["remote-user", "b"]],
      isEndless: true,
      goesOn: false,
    },
    "refuses it": { status: 403, goesOn: false },
  },
  "an authorizer": {
    "lets it on": { status: 200, headers: [["variable-a", "1"]], goesOn: true },
    "lets it on, and talks for ever": {
      status: 200,
      headers: [["variable-a", "1"]],
      isEndless: true,
      goesOn: false,
    },
    "says a variable twice": {
      status: 200,
      headers: [["variable-a", "1"], ["variable-A", "2"]],
      isEndless: true,
      goesOn: false,
    },
    "says nothing": { status: 200, isEndless: true, goesOn: false },
    "refuses it": { status: 403, headers: [["x", "1"]], goesOn: false },
  },
};

function contextOf(): RequestContext {
  return {
    id: "r1",
    method: "GET",
    target: { kind: "target", raw: "/", path: "/", query: "" },
    host: { name: "a.test", port: undefined },
    peer: { host: "192.0.2.1", port: 1 },
    listener: { scheme: "http", host: "", port: 80 },
    startedMs: 0,
    trace: {},
    passed: undefined,
    extra: undefined,
    rules: undefined,
    bodyProgress: undefined,
  };
}

/** A body, and whether it is over for who sends it. */
function bodyOf(isEndless: boolean) {
  const state = { isOver: false };
  let pieces = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (isEndless || pieces++ < 3) return controller.enqueue(new Uint8Array(10_000));
      state.isOver = true;
      controller.close();
    },
    cancel: () => void (state.isOver = true),
  }, { highWaterMark: 0 });
  return { stream, state };
}

for (const [who, verdicts] of Object.entries(VERDICTS)) {
  for (
    const [what, { status, headers = [], isEndless = false, goesOn }] of Object.entries(verdicts)
  ) {
    test(`The body of ${who} that ${what} is over, or the client's`, async () => {
      const { stream, state } = bodyOf(isEndless);
      const response = {
        head: {
          status,
          headers,
          contentLength: undefined,
          ...(headers.length === 0 && { isEmpty: true }),
        },
        body: stream,
        progress: { bytes: 0, ended: false, error: undefined, onEnded: undefined },
        source: { server: "tcp://10.0.0.1:80", connection: 1, stream: 1, headMs: 1 },
      } as UpstreamResponse;
      const route = {
        upstream: {
          options: { ...UPSTREAM_DEFAULTS, name: "auth", servers: [] },
          send: () => Promise.resolve(response),
        },
        limits: {},
        params: {},
        onError() {},
      } as unknown as FastCgiRoute;
      const request = new Request("http://a.test/");
      let own: Response | undefined;
      if (who === "an authorizer") own = await createAuthorizer(route)(request, contextOf());
      else {
        const ask = createForwardAuth(
          { upstream: "auth", uri: "/", copyHeaders: ["remote-user"] },
          route,
        );
        const verdict = await ask(request, contextOf());
        own = "response" in verdict ? verdict.response : undefined;
      }
      assert.equal(own === undefined, goesOn);
      // The client takes what is its own.
      if (own !== undefined) await own.arrayBuffer();
      await untilIdle();
      assert.equal(state.isOver, true, "somebody holds it");
    });
  }
}
