/** Times that are no limits of something under way, or that need more than a clock: where they are shown. */
export interface ShownElsewhere {
  /** Below `tests/`. */
  readonly file: string;
  /** A part of the test's name. */
  readonly test: string;
}

export const SHOWN_ELSEWHERE: Readonly<Record<string, ShownElsewhere>> = {
  "upstreams.NAME.slow_start": {
    file: "upstream/names.test.ts",
    test: "A server that joins starts slowly, the first ones do not",
  },
  "upstreams.NAME.resolve.ttl": {
    file: "upstream/names.test.ts",
    test: "Where the name service tells no time, resolve.ttl holds; and never less than a second",
  },
  "sites[].hsts.max_age": { file: "app/schemes.test.ts", test: "hsts is said over TLS alone" },
  "sites[].cors.max_age": {
    file: "http/route_middleware.test.ts",
    test: "cors answers a preflight before a password is asked for",
  },
  "limits.http.handshake_timeout": {
    file: "attack/tls_handshakes.test.ts",
    test: "1,000 handshakes that never end are ended in time, and others are served beside them",
  },
  "shutdown.delay": {
    file: "app/lifetime.test.ts",
    test: "A stop takes connections for its delay while it is not ready, and then no more",
  },
  "shutdown.grace": {
    file: "app/lifetime.test.ts",
    test: "A stream that has not finished is cut after the grace, visibly",
  },
};
