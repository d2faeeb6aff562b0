/**
 * A whole afcgi in the test's own process: real sockets, and log lines that a test can wait for. The
 * application behind it is a handler of the test's, or whatever listens at an address.
 */
import { join } from "node:path";
import { type AppDeps, type RunningApp, startApp } from "../../src/app/app.ts";
import type { AppOptions, ListenOptions } from "../../src/app/options.ts";
import {
  HTTP_LIMIT_DEFAULTS,
  type HttpLimits,
  type RouteOptions,
  type SiteOptions,
} from "../../src/http/options.ts";
import { Logger } from "../../src/observe/logger.ts";
import type { FastCgiHandler, RequestInfo } from "../../src/responder/options.ts";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import type { Address, TcpAddress } from "../../src/runtime/address.ts";
import { currentRuntime } from "../../src/runtime/current.ts";
import type { Files } from "../../src/runtime/files.ts";
import type { TextSink } from "../../src/runtime/text_sink.ts";
import { UPSTREAM_DEFAULTS, type UpstreamOptions } from "../../src/upstream/options.ts";
import { temporaryDirectory } from "./places.ts";
import { assertNoUnexpected } from "./unexpected.ts";
import { HeldFiles } from "./descriptors.ts";
import { until } from "./idle.ts";
import { type HttpRequest, httpRequest, type HttpResponse } from "./raw_http.ts";

/** How long a line may be waited for; far above what any takes. */
const LINE_LIMIT_MS = 20_000;

export const LOOPBACK: TcpAddress = { transport: "tcp", host: "127.0.0.1", port: 0 };

export const runtime = currentRuntime();

/** Where a test's gateway listens. */
export const LISTEN: ListenOptions = { address: LOOPBACK, tls: undefined };

export type LogLine = Record<string, unknown>;

/** Collects log lines, and tells of those that a test waits for. */
export class LineSink implements TextSink {
  readonly lines: LogLine[] = [];
  text = "";
  #wake = new Set<() => void>();

  write(text: string): void {
    this.text += text;
    const lines = text.split("\n").filter((line) => line !== "");
    this.lines.push(...lines.map((line) => JSON.parse(line) as LogLine));
    for (const wake of [...this.#wake]) wake();
  }

  async flush(): Promise<void> {}

  /** The first line that is as wanted, now or when it comes. */
  async find(isWanted: (line: LogLine) => boolean): Promise<LogLine> {
    return (await this.findAll(1, isWanted))[0]!;
  }

  /** All lines that are as wanted, once there are as many. */
  findAll(count: number, isWanted: (line: LogLine) => boolean): Promise<LogLine[]> {
    return new Promise((resolve, reject) => {
      const finish = () => {
        clearTimeout(timer);
        this.#wake.delete(look);
      };
      const look = () => {
        const found = this.lines.filter(isWanted);
        if (found.length < count) return;
        finish();
        resolve(found);
      };
      const timer = setTimeout(() => {
        finish();
        reject(new Error(`No such line within ${LINE_LIMIT_MS} ms; there are:\n${this.text}`));
      }, LINE_LIMIT_MS);
      this.#wake.add(look);
      look();
    });
  }

  /** The line about a path. */
  ofPath(path: string): Promise<LogLine> {
    return this.find((line) => line["path"] === path);
  }
}

export interface GatewayOptions {
  /** The application, behind the upstream "app"; left out where nothing is to reach it. */
  readonly application?: FastCgiHandler;
  /** Where the upstream "app" is, in the application's place. */
  readonly server?: Address;
  readonly upstream?: Partial<Omit<UpstreamOptions, "name" | "servers">>;
  /** Of the one site; left out: everything goes to the application. */
  readonly routes?: readonly RouteOptions[];
  readonly root?: string;
  /** In the place of the one site. */
  readonly sites?: readonly SiteOptions[];
  readonly limits?: Partial<HttpLimits>;
  readonly httpTimeouts?: AppOptions["httpTimeouts"];
  readonly clients?: AppOptions["clients"];
  readonly listen?: readonly ListenOptions[];
  readonly admin?: boolean;
  readonly shutdownGraceMs?: number;
}

/** What a test sees of a running afcgi. */
export interface Gateway {
  readonly app: RunningApp;
  /** The first listener's. */
  readonly port: number;
  readonly adminPort: number;
  readonly access: LineSink;
  readonly log: LineSink;
  /** One request on a connection of its own. */
  send(request: HttpRequest | string): Promise<HttpResponse>;
  /** Asks the admin address. */
  admin(path: string): Promise<HttpResponse>;
}

export const FASTCGI_ROUTE: RouteOptions = {
  path: undefined,
  methods: undefined,
  handler: { kind: "fastcgi", upstream: "app", scriptName: "", params: {} },
};

/** A response with all parameters as JSON, for tests of what an application gets. */
export function echoParameters(_request: Request, info: RequestInfo): Response {
  return Response.json(Object.fromEntries(info.params));
}

/**
 * Starts application and afcgi, hands them to `use` and stops both. When the requests are over none is
 * left open at an application, and no file, temporary ones among them, before a stop could close it.
 */
export async function withGateway(
  options: GatewayOptions,
  use: (gateway: Gateway) => Promise<void>,
): Promise<void> {
  const held = new HeldFiles();
  const address: Address = options.server ?? freshSocket();
  const application = options.application &&
    await serveFastCgi(options.application, { listen: address });
  try {
    const gateway = await startGateway(gatewayAppOptions(options, address));
    try {
      await use(gateway);
      await untilNothingIsOpen(gateway);
      await held.untilClosed();
    } finally {
      await gateway.app.stop();
    }
  } finally {
    await application?.shutdown({ grace: 0 });
  }
}

/** How long what has ended may be seen; far above what it takes. */
const OPEN_MAX_MS = 5_000;

/**
 * Resolves when nothing is under way at any application: what nobody waits for must have been given
 * up, before a stop could do that.
 */
export async function untilNothingIsOpen({ app }: Pick<Gateway, "app">): Promise<void> {
  let left: string[] = [];
  const isQuiet = (): boolean => {
    left = openRequests(app.report().status as Status);
    return left.length === 0;
  };
  try {
    await until(isQuiet, "the end of every request", OPEN_MAX_MS);
  } catch (cause) {
    throw new Error(`Something is under way that nobody waits for: ${left.join(", ")}`, { cause });
  }
}

/** Of what `/status` says. */
interface Status {
  readonly upstreams: readonly {
    readonly name: string;
    readonly tunnels?: number;
    readonly requests_open: number;
    readonly queue_length: number;
    readonly servers: readonly {
      readonly connections: readonly {
        readonly number: number;
        readonly streams: number;
        readonly paused: boolean;
      }[];
    }[];
  }[];
}

function openRequests({ upstreams }: Status): string[] {
  return upstreams.flatMap(({ name, tunnels = 0, requests_open, queue_length, servers }) => {
    const counts = { tunnels, requests_open, queue_length };
    const open = Object.entries(counts).filter(([, count]) => count !== 0)
      .map(([what, count]) => `${name}: ${count} ${what}`);
    const busy = servers.flatMap(({ connections }) => connections)
      .filter(({ streams, paused }) => streams > 0 || paused)
      .map(({ number, streams, paused }) =>
        `${name}: connection ${number} with ${streams} requests${paused ? ", paused" : ""}`
      );
    return [...open, ...busy];
  });
}

/** A unix socket's address that nobody has used. */
export function freshSocket(): Address {
  return { transport: "unix", path: freshPath() };
}

let directory: string | undefined;

/** A path that nobody has used, in a directory that goes with the process. */
export function freshPath(): string {
  directory ??= temporaryDirectory();
  return join(directory, crypto.randomUUID().slice(0, 8));
}

/** `files` are the files that it sees; the real ones, left out. */
export async function startGateway(
  options: AppOptions,
  files: Files = runtime.files,
  deps: Pick<AppDeps, "load"> = {},
): Promise<Gateway> {
  const log = new LineSink();
  const access = new LineSink();
  const logger = new Logger({ sink: log, clock: runtime.clock, level: "debug", format: "json" });
  const app = await startApp(options, {
    runtime: { ...runtime, files },
    logger,
    accessSink: access,
    version: "1.2.3",
    ...deps,
  });
  const stop = app.stop.bind(app);
  app.stop = async () => {
    await stop();
    assertNoUnexpected(log.lines);
  };
  const port = portOf(app.addresses[0]);
  const adminPort = portOf(app.adminAddress);
  return {
    app,
    port,
    adminPort,
    access,
    log,
    send: (request) =>
      httpRequest(port, typeof request === "string" ? { target: request } : request),
    admin: (path) => httpRequest(adminPort, { target: path, headers: { Host: "localhost" } }),
  };
}

function portOf(address: Address | undefined): number {
  return address?.transport === "tcp" ? address.port : 0;
}

export function gatewayAppOptions(options: GatewayOptions, server: Address): AppOptions {
  const routes = options.routes ?? [FASTCGI_ROUTE];
  return {
    listen: options.listen ?? [LISTEN],
    upstreams: [{
      ...UPSTREAM_DEFAULTS,
      multiplex: "on",
      ...options.upstream,
      retry: { ...UPSTREAM_DEFAULTS.retry, delayMs: 0, ...options.upstream?.retry },
      name: "app",
      servers: [{ address: server, weight: 1, backup: false }],
    }],
    sites: options.sites ?? [{ hosts: [], root: options.root, routes }],
    admin: options.admin ? LOOPBACK : undefined,
    log: { level: "debug", format: "json", access: "-" },
    limits: { ...HTTP_LIMIT_DEFAULTS, ...options.limits },
    httpTimeouts: options.httpTimeouts,
    ...(options.clients && { clients: options.clients }),
    shutdownGraceMs: options.shutdownGraceMs ?? 10_000,
    workers: 1,
  };
}
