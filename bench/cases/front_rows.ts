/** Rows of the usual kind: a front before an application of its own, and load on it. */
import type { Application, StartApplication } from "../applications/application.ts";
import type { Child } from "../../tests/support/child.ts";
import type { Row } from "../comparison.ts";
import { type Contender, type FrontOptions, start } from "../contenders/contender.ts";
import { type LoadReport, measureLoad } from "../measure/figures.ts";
import type { Scope } from "../scope.ts";
import type { Bench } from "./case.ts";

/** One contender with what is special about it in this row. */
export interface Variant {
  readonly contender: Contender;
  /** Left out: the contender's title. */
  readonly name?: string;
  readonly front?: Partial<FrontOptions>;
}

export interface LoadPlan {
  /** Undefined: the fronts serve files. */
  readonly application?: StartApplication;
  /** For all rows. */
  readonly front?: Partial<FrontOptions>;
  /** What is asked for before anything is measured: it must be answered, at this length. */
  readonly path: string;
  readonly length: number;
  load(scope: Scope, port: number, seconds: number): Promise<LoadReport>;
}

/** Connections to the application that a proxy keeps where nothing else is said. */
const KEPT = 64;

export async function frontRows(
  { scope }: Bench,
  variants: readonly Variant[],
  plan: LoadPlan,
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const { contender, name = contender.title, front } of variants) {
    rows.push(
      ...await rowsOrBroken(scope, [name], async () => {
        const application = await plan.application?.(scope);
        const options = { ...plan.front, ...front };
        const { proxyPid, port } = await startFront(scope, contender, application, options, plan);
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
export async function startFront(
  scope: Scope,
  contender: Contender,
  application: Application | undefined,
  options: Partial<FrontOptions>,
  { path, length }: Pick<LoadPlan, "path" | "length">,
): Promise<{ child: Child; proxyPid: number; port: number }> {
  const { child, port } = await start(scope, contender, {
    kept: KEPT,
    ...(application && { application }),
    ...options,
  });
  const answer = await fetch(`http://127.0.0.1:${port}${path}`);
  const body = await answer.arrayBuffer();
  if (answer.status !== 200 || body.byteLength !== length) {
    throw new Error(
      `Cannot compare ${contender.title}: it answers "${path}" with status ${answer.status} ` +
        `and ${body.byteLength} bytes`,
    );
  }
  return { child, proxyPid: child.pid, port };
}

/** HAProxy with many requests on one connection, where it takes part. */
export function multiplexingHaproxy({ contenders }: Bench): readonly Variant[] {
  return contenders.filter(({ name }) => name === "haproxy")
    .map((contender) => ({ contender, name: "HAProxy, mpxs-conns", front: { multiplex: true } }));
}

/** Every contender of the run once, as far as `isWanted` says so. */
export function variantsOf(
  { contenders }: Bench,
  isWanted: (contender: Contender) => boolean = () => true,
): readonly Variant[] {
  return contenders.filter(isWanted).map((contender) => ({ contender }));
}
