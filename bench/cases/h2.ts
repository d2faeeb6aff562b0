/**
 * HTTP/2: 64 clients with 10 streams each, in cleartext and over TLS, beside others and beside our
 * own HTTP/1.1 with as many requests in flight.
 */
import { cResponder } from "../applications/application.ts";
import type { Bound, Row } from "../comparison.ts";
import { start } from "../contenders/contender.ts";
import { h2Length, type H2Target, runH2load } from "../load/h2load.ts";
import { measureLoad } from "../measure/figures.ts";
import { AFCGI, type Bench, type BenchCase, DENO, NGINX, type TablePlan } from "./case.ts";
import { rowsOrBroken, type Variant, variantsOf } from "./proxy_rows.ts";
import { rate, REQUEST_COLUMNS } from "./requests.ts";

const CLIENTS = 64;
const STREAMS = 10;
const SMALL_LENGTH = 12;
const PAGE_LENGTH = 32 * 1024;

const AFCGI_HTTP1 = "afcgi, HTTP/1.1";

/** Those that speak HTTP/2 to clients. */
const SPEAKERS: ReadonlySet<string> = new Set(["nginx", "haproxy", "caddy", "afcgi", "deno"]);

interface Plan {
  readonly length: number;
  readonly isTls: boolean;
  readonly clients: number;
  readonly bounds: readonly Bound[];
}

interface H2Variant extends Variant {
  readonly http1?: boolean;
}

function variants(bench: Bench): readonly H2Variant[] {
  return variantsOf(bench, ({ name }) => SPEAKERS.has(name)).flatMap((variant): H2Variant[] =>
    variant.contender.name === "afcgi"
      ? [variant, { ...variant, name: AFCGI_HTTP1, http1: true }]
      : [variant]
  );
}

async function rowOf(bench: Bench, variant: H2Variant, plan: Plan): Promise<Row> {
  const { scope } = bench;
  const { contender, name = contender.title, http1 = false } = variant;
  const { length, isTls, clients } = plan;
  const inFlight = clients * STREAMS;
  const application = await cResponder({ length })(scope);
  const { child, port } = await start(scope, contender, {
    kept: inFlight,
    application,
    protocol: http1 ? "HTTP/1.1" : "HTTP/2",
    isTls,
  });
  const target: H2Target = { port, path: "/", isTls, http1 };
  const got = await h2Length(scope, target);
  if (got !== length) throw new Error(`Cannot compare ${name}: its response has ${got} bytes`);
  const load = http1 ? { clients: inFlight, streams: 1 } : { clients, streams: STREAMS };
  return {
    name,
    measure: (seconds) =>
      measureLoad(
        { proxyPid: child.pid, application },
        () => runH2load(scope, { ...target, ...load, seconds }),
      ),
  };
}

function table(plan: Plan): TablePlan {
  const { length, isTls, clients } = plan;
  return {
    title: `responses of ${length} bytes over HTTP/2, ${isTls ? "TLS" : "cleartext"}, ` +
      `${clients} clients with ${STREAMS} streams each`,
    prepare: async (bench) => {
      const rows: Row[] = [];
      for (const variant of variants(bench)) {
        const { name = variant.contender.title } = variant;
        rows.push(
          ...await rowsOrBroken(
            bench.scope,
            [name],
            async () => [await rowOf(bench, variant, plan)],
          ),
        );
      }
      return { rows, columns: REQUEST_COLUMNS, compared: "requestsPerSecond", bounds: plan.bounds };
    },
  };
}

/** As fast as over HTTP/1.1, but for what frames cost; and Deno is not to fall behind. */
const OWN = [rate(AFCGI, 0.9, AFCGI_HTTP1), rate(DENO, 0.6, AFCGI)];

export const h2: BenchCase = {
  name: "h2",
  peers: ["cc", "nghttp2"],
  tables: (counts = [CLIENTS]) =>
    counts.flatMap((clients) =>
      [false, true].flatMap((isTls) => [
        table({
          length: SMALL_LENGTH,
          isTls,
          clients,
          bounds: [rate(AFCGI, 1.3, NGINX), ...OWN],
        }),
        table({ length: PAGE_LENGTH, isTls, clients, bounds: [rate(AFCGI, 1, NGINX), ...OWN] }),
      ])
    ),
};
