/**
 * One request on the way of every request: through the gateway, its site and the site's routes,
 * with the same looks at files. Only the upstreams at the end are not there: in their place stands
 * one that notes what it is given. So nothing is decided here, only written down.
 */
import { asResponse } from "../runtime/http_response.ts";
import { createGateway, type GatewaySite } from "../http/gateway.ts";
import type { Destination } from "../http/fastcgi_exchange.ts";
import type { ListenerInfo } from "../http/request_context.ts";
import { HttpMetrics } from "../http/http_metrics.ts";
import type { SiteOptions } from "../http/options.ts";
import { RequestIdSource } from "../http/request_id.ts";
import type { PhpDecision } from "../http/php_route.ts";
import type { RouteWatch, SiteDeps } from "../http/site_deps.ts";
import { Role } from "../protocol/constants.ts";
import { Logger } from "../observe/logger.ts";
import { MetricsRegistry } from "../observe/metrics.ts";
import { SiteTable } from "../routing/site_table.ts";
import type { Clock } from "../runtime/clock.ts";
import type { HttpPeer } from "../runtime/connection.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { TextSink } from "../runtime/text_sink.ts";
import { errorText } from "../upstream/errors.ts";
import type { UpstreamOptions } from "../upstream/options.ts";
import type { UpstreamResponse } from "../upstream/request.ts";
import type { AppOptions } from "./options.ts";
import { type FileLook, recordLooks } from "./recorded_files.ts";
import { compileGatewaySite, serverSoftware, tlsPort } from "./sites.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

export interface DryRunDeps {
  readonly runtime: Runtime;
  readonly version: string;
  readonly listener: ListenerInfo;
  /** Who asks. */
  readonly peer: HttpPeer;
}

/** What a `php` route has tried; `kind` is undefined where it went on. */
export interface RouteAttempt {
  readonly attempt: string;
  readonly kind: PhpDecision["kind"] | undefined;
  /** Those of the route's looks that it took. */
  readonly looks: readonly FileLook[];
}

export interface RouteVisit {
  /** Its place in the site. */
  readonly index: number;
  readonly looks: FileLook[];
  readonly attempts: RouteAttempt[];
  /** Whether it left the request to the next one. */
  passed: boolean;
  /** The path that it gave the request; left out: none. */
  rewrittenTo?: string;
}

/** What an application would have been sent. */
export interface DrySend {
  readonly upstream: UpstreamOptions;
  /** Encoded name-value pairs; for an HTTP server the request's line and its fields. */
  readonly params: Uint8Array;
}

export interface DryRun {
  /** Of the response that would be made here; meaningless where there is something to send. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly site: SiteOptions | undefined;
  readonly visits: readonly RouteVisit[];
  readonly send: DrySend | undefined;
  /** Why we would answer ourselves, where it is no route's response. */
  readonly code: string | undefined;
  /** Messages that would stand in the log. */
  readonly log: readonly string[];
}

export async function dryRun(
  options: AppOptions,
  request: HttpRequest,
  deps: DryRunDeps,
): Promise<DryRun> {
  return await new Run(options, deps).run(request);
}

class Run {
  readonly #deps: DryRunDeps;
  readonly #visits: RouteVisit[] = [];
  readonly #log: CollectedLog;
  readonly #access: CollectedLog;
  readonly #gateway: ReturnType<typeof createGateway>;
  #site: SiteOptions | undefined;
  #send: DrySend | undefined;

  constructor(options: AppOptions, deps: DryRunDeps) {
    const { clock } = deps.runtime;
    this.#deps = deps;
    this.#log = new CollectedLog(clock);
    this.#access = new CollectedLog(clock);
    this.#gateway = createGateway({
      clock,
      sites: this.#compileSites(options),
      requestIds: new RequestIdSource(),
      metrics: new HttpMetrics(new MetricsRegistry()),
      accessLog: this.#access.logger,
      log: this.#log.logger,
      listener: deps.listener,
      tlsPort: () => tlsPort(options.listen, (index) => options.listen[index]?.address),
    });
  }

  async run(request: HttpRequest): Promise<DryRun> {
    const response = await asResponse(this.#gateway(request, this.#deps.peer));
    await response.body?.cancel();
    const [line] = await this.#access.lines();
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      site: this.#site,
      visits: this.#visits,
      send: this.#send,
      code: line?.code,
      log: (await this.#log.lines()).map(({ msg }) => msg),
    };
  }

  #compileSites(options: AppOptions): SiteTable<GatewaySite> {
    const table = new SiteTable<GatewaySite>();
    const siteDeps = this.#siteDeps(options);
    for (const site of options.sites) {
      const { app, ...others } = compileGatewaySite(site, siteDeps);
      const onChosen = (): void => {
        this.#site = site;
      };
      table.add(site.hosts, {
        ...others,
        // The gateway asks for it once it has chosen the site.
        get app() {
          onChosen();
          return app;
        },
      });
    }
    return table;
  }

  #siteDeps(options: AppOptions): SiteDeps {
    const { runtime, version } = this.#deps;
    const destinations = options.upstreams.map((upstream) =>
      [upstream.name, this.#destination(upstream)] as const
    );
    return {
      runtime: {
        clock: runtime.clock,
        createCompressor: (options) => runtime.createCompressor(options),
        compressQuickly: (bytes, options) => runtime.compressQuickly(bytes, options),
        files: recordLooks(runtime.files, (look) => this.#visits.at(-1)?.looks.push(look)),
      },
      upstreams: new Map(destinations),
      limits: options.limits,
      serverSoftware: serverSoftware(version),
      onError: (error) => this.#log.logger.error(errorText(error)),
      watch: this.#watch,
    };
  }

  readonly #watch: RouteWatch = {
    onRoute: (index) => void this.#visits.push({ index, looks: [], attempts: [], passed: false }),
    onRewrite: (index, path) => {
      const visit = this.#visits.findLast((one) => one.index === index);
      if (visit !== undefined) visit.rewrittenTo = path;
    },
    onAttempt: (attempt, kind) => {
      const { attempts, looks } = this.#visits.at(-1)!;
      const before = attempts.flatMap(({ looks }) => looks).length;
      attempts.push({ attempt, kind, looks: looks.slice(before) });
    },
    onPass: (index) => {
      for (const visit of this.#visits) if (visit.index === index) visit.passed = true;
    },
  };

  #destination(options: UpstreamOptions): Destination {
    return {
      options,
      send: (request) => {
        // What a request meets once it is let in is what people ask for.
        const asks = request.role === Role.AUTHORIZER || request.http?.asks;
        if (asks) return Promise.resolve(responded(200));
        this.#send = { upstream: options, params: request.params(request.body?.length).slice() };
        return Promise.resolve(responded(204));
      },
    };
  }
}

function responded(status: number): UpstreamResponse {
  return {
    head: { status, headers: [], contentLength: undefined },
    body: null,
    source: { server: "", connection: 0, stream: 0, headMs: 0 },
    progress: { bytes: 0, ended: true, error: undefined, onEnded: undefined },
  };
}

interface CollectedLine {
  readonly msg: string;
  readonly code?: string;
}

/** A log that is kept in memory: that of one request. */
class CollectedLog {
  readonly logger: Logger;
  #text = "";

  constructor(clock: Clock) {
    const sink: TextSink = {
      write: (text) => void (this.#text += text),
      flush: () => Promise.resolve(),
    };
    this.logger = new Logger({ sink, clock, level: "info", format: "json" });
  }

  async lines(): Promise<readonly CollectedLine[]> {
    await this.logger.flush();
    return this.#text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  }
}
