/** Rows of the usual kind: a proxy in front of an application of its own, and load on it. */
import type { Application, StartApplication } from "../applications/application.ts";
import type { Child } from "../../tests/support/child.ts";
import type { Row } from "../comparison.ts";
import { type Contender, type SetupOptions, start } from "../contenders/contender.ts";
import { type LoadReport, measureLoad } from "../measure/figures.ts";
import type { Scope } from "../scope.ts";
import type { Bench } from "./case.ts";

/** One contender with what is special about it in this row. */
export interface Variant {
  readonly contender: Contender;
  /** Left out: the contender's title. */
  readonly name?: string;
  readonly setup?: Partial<SetupOptions>;
}

export interface LoadPlan {
  /** Undefined: the proxies serve files. */
  readonly application?: StartApplication;
  /** For all rows. */
  readonly setup?: Partial<SetupOptions>;
  /** What is asked for before anything is measured: it must be answered, at this length. */
  readonly path: string;
  readonly length: number;
  load(scope: Scope, port: number, seconds: number): Promise<LoadReport>;
}

/** Connections to the application that a proxy keeps where nothing else is said. */
const KEPT = 64;

export async function proxyRows(
  { scope }: Bench,
  variants: readonly Variant[],
  plan: LoadPlan,
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const { contender, name = contender.title, setup } of variants) {
    rows.push(
      ...await rowsOrBroken(scope, [name], async () => {
        const application = await plan.application?.(scope);
        const options = { ...plan.setup, ...setup };
        const { proxyPid, port } = await startProxy(scope, contender, application, options, plan);
        const watched = { proxyPid, ...(application && { application }) };
        const measure: Row["measure"] = (seconds) =>
          measureLoad(watched, () => plan.load(scope, port, seconds));
        return [{ name, measure }];
      }),
    );
  }
  return rows;
}

/** What cannot be started stays in the table as rows that are broken: others are measured on. */
export async function rowsOrBroken(
  scope: Scope,
  names: readonly string[],
  start: () => Promise<readonly Row[]>,
): Promise<readonly Row[]> {
  try {
    return await start();
  } catch (error) {
    if (scope.ended) throw error;
    return names.map((name) => ({ name, measure: () => Promise.reject(error) }));
  }
}

/** Starts a contender and checks its first response. */
export async function startProxy(
  scope: Scope,
  contender: Contender,
  application: Application | undefined,
  options: Partial<SetupOptions>,
  { path, length }: Pick<LoadPlan, "path" | "length">,
): Promise<{ child: Child; proxyPid: number; port: number }> {
  const { child, port } = await start(scope, contender, {
    kept: KEPT,
    ...(application && { application }),
    ...options,
  });
  const response = await fetch(`${options.isTls ? "https" : "http"}://127.0.0.1:${port}${path}`, {
    // Nobody vouches for the certificate (an option of Bun's).
    tls: { rejectUnauthorized: false },
  } as RequestInit);
  const body = await response.arrayBuffer();
  if (response.status !== 200 || body.byteLength !== length) {
    throw new Error(
      `Cannot compare ${contender.title}: it answers "${path}" with status ${response.status} ` +
        `and ${body.byteLength} bytes`,
    );
  }
  return { child, proxyPid: child.pid, port };
}

/** HAProxy with many requests on one connection, where it takes part. */
export function multiplexingHaproxy({ contenders }: Bench): readonly Variant[] {
  return contenders.filter(({ name }) => name === "haproxy")
    .map((contender) => ({ contender, name: "HAProxy, mpxs-conns", setup: { multiplex: true } }));
}

/** Every contender of the run once, as far as `isWanted` says so. */
export function variantsOf(
  { contenders }: Bench,
  isWanted: (contender: Contender) => boolean = () => true,
): readonly Variant[] {
  return contenders.filter(isWanted).map((contender) => ({ contender }));
}
