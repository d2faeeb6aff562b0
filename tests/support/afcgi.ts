/**
 * The executable under test, as a user runs it. `AFCGI_EXECUTABLE` names another one than
 * `dist/afcgi`. Its log lines are parsed; stopping it checks that it ends well.
 */
import assert from "node:assert/strict";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Child, type ChildExit, type ChildLines } from "./child.ts";
import { temporaryDirectory } from "./places.ts";
import { assertNoUnexpected } from "./unexpected.ts";

export const AFCGI = process.env.AFCGI_EXECUTABLE ??
  fileURLToPath(new URL("../../dist/afcgi", import.meta.url));

/** Takes away what the user's own environment may tell afcgi. */
const ENVIRONMENT = Object.fromEntries(
  Object.keys(process.env).filter((name) => name.startsWith("AFCGI_"))
    .map((name) => [name, undefined]),
);

/**
 * Threads of every afcgi whose test does not say how many: `AFCGI_TEST_WORKERS=4 npm test`. Left out:
 * as many as this machine has processors, for that is the default.
 */
function workersOf({ config, args = [] }: AfcgiOptions): Readonly<Record<string, string>> {
  const workers = process.env.AFCGI_TEST_WORKERS;
  const isTold = config?.["workers"] !== undefined || args.includes("--workers");
  return workers === undefined || isTold ? {} : { AFCGI_WORKERS: workers };
}

export interface AfcgiOptions {
  /** Flags of `afcgi serve`; `--listen` is added. */
  readonly args?: readonly string[];
  /** False: `args` name a file with listeners of its own. */
  readonly listen?: false;
  /** The config file as a value; JSON is YAML. `listen` is added. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Another one than {@link AFCGI}, such as one made for a test. */
  readonly program?: string;
  /** As a user who owns nothing; only root may. */
  readonly unprivileged?: boolean;
  /** Most descriptors, hard and soft; left out: as many as the test may have. */
  readonly descriptorsMax?: number;
}

export type LogLine = Readonly<Record<string, unknown>>;

/** A running `afcgi serve`. */
export class Afcgi {
  readonly child: Child;
  readonly port: number;
  readonly #config: string | undefined;

  private constructor(child: Child, port: number, config: string | undefined) {
    this.child = child;
    this.port = port;
    this.#config = config;
  }

  /** Writes its config file anew, with the same `listen`, for a reload. */
  rewrite(config: Readonly<Record<string, unknown>>): void {
    writeFileSync(this.#config!, configText(config));
  }

  /** Resolves when it listens. */
  static async start(options: AfcgiOptions): Promise<Afcgi> {
    const directory = temporaryDirectory();
    const config = options.config && join(directory, "afcgi.yaml");
    if (config) writeFileSync(config, configText(options.config ?? {}));
    const args = [
      "serve",
      ...(config
        ? ["--config", config]
        : options.listen === false
        ? []
        : ["--listen", "127.0.0.1:0"]),
      ...(options.args ?? []),
    ];
    // A directory of its own: an afcgi.yaml in ours must not be found.
    const { program: executable = AFCGI } = options;
    const limited = options.descriptorsMax === undefined
      ? []
      : ["sh", "-c", `ulimit -n ${options.descriptorsMax}; exec "$@"`, "sh", executable];
    const [program = executable, ...before] = options.unprivileged
      ? withoutRights(directory)
      : limited;
    const child = new Child(program, [...before, ...args], {
      cwd: directory,
      env: { ...ENVIRONMENT, ...workersOf(options), ...options.env },
    });
    const line = parseLogLine(
      await child.stderr.waitFor((line) => isListening(parseLogLine(line))),
    );
    return new Afcgi(child, portOf(String(line?.address)), config);
  }

  /** The first line of its log for which `matches` holds. */
  async waitForLog(matches: (line: LogLine) => boolean): Promise<LogLine> {
    return await findLine(this.child.stderr, matches);
  }

  /** The first line of its access log for which `matches` holds. */
  async waitForAccess(matches: (line: LogLine) => boolean): Promise<LogLine> {
    return await findLine(this.child.stdout, matches);
  }

  /** Every line of its log so far. */
  get log(): readonly LogLine[] {
    return this.child.stderr.lines.map((line) => parseLogLine(line) ?? { msg: line });
  }

  /** SIGTERM, and it must end by itself with status 0, without an exception of its own. */
  async stop(): Promise<void> {
    const exit = await this.child.stop("SIGTERM");
    const log = this.child.stderr.lines.slice(-20).join("\n");
    assert.deepEqual(exit, { code: 0, signal: null }, `afcgi did not end well:\n${log}`);
    assertNoUnexpected(this.log);
  }
}

/** Runs a command of afcgi to its end. */
export async function runAfcgi(
  args: readonly string[],
  options: { env?: Readonly<Record<string, string>>; cwd?: string } = {},
): Promise<ChildExit & { stdout: string; stderr: string }> {
  const child = new Child(AFCGI, args, {
    cwd: options.cwd ?? temporaryDirectory(),
    env: { ...ENVIRONMENT, ...options.env },
  });
  const exit = await child.exited;
  return { ...exit, stdout: child.stdout.lines.join("\n"), stderr: child.stderr.lines.join("\n") };
}

/**
 * A command that runs a copy of afcgi, for nobody may be unable to reach the one in our directory.
 */
function withoutRights(directory: string): string[] {
  const copy = join(directory, "afcgi");
  copyFileSync(AFCGI, copy);
  return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy];
}

function configText(config: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ listen: ["127.0.0.1:0"], ...config }, null, 2);
}

async function findLine(
  lines: ChildLines,
  matches: (line: LogLine) => boolean,
): Promise<LogLine> {
  const line = await lines.waitFor((text) => {
    const parsed = parseLogLine(text);
    return parsed !== undefined && matches(parsed);
  });
  return parseLogLine(line)!;
}

function parseLogLine(text: string): LogLine | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isListening(line: LogLine | undefined): boolean {
  return line?.msg === "listening";
}

function portOf(address: string): number {
  const port = /:(\d+)\/?$/.exec(address)?.[1];
  assert.ok(port, `No port in the address "${address}" of the log line "listening"`);
  return Number(port);
}
