/**
 * The admin address: `/livez` (we run), `/readyz` (requests would be answered), `/metrics` (Prometheus),
 * `/status` (upstreams, servers and connections as JSON), `/reload` (POST). Meant for the machine and its operators,
 * never for the world: it has no authentication. So it answers only to hosts that are an address,
 * `localhost`, or named in the configuration: a page of a stranger's, whose name is made to lead to
 * this machine, reads nothing through the operator's browser (DNS rebinding). And what changes
 * something is taken from no page at all: a browser says on its own that a page sends it.
 */
import { utf8 } from "../protocol/byte_buffer.ts";
import { BytesResponse } from "../runtime/http_response.ts";
import type { HttpPeer } from "../runtime/connection.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { isIpv4, parseHost } from "./host.ts";
import { parseTarget } from "./target.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

export interface AdminDeps {
  readonly metrics: { render(): string | Promise<string> };
  /** The status of the whole process from that of this thread; left out: it is the same. */
  readonly whole?: ((own: AdminStatus) => Promise<object>) | undefined;
  readonly upstreams: readonly Upstream[];
  readonly version: string;
  /** Names under which it answers, beside addresses and `localhost`; lower case. */
  readonly hosts: readonly string[];
  /** False once a stop has been asked for. */
  readonly isReady: () => boolean;
  /** Whether it is for probes and scrapers alone; left out: it is not. */
  readonly isForProbes?: boolean;
  /** Reads the configuration again; left out: nobody can. */
  readonly reload?: (() => Promise<AdminReload>) | undefined;
  /** What requests would wait for, a line each; left out: nothing is waited for. */
  readonly waitingFor?: () => Promise<readonly string[]>;
  /** What to say of clients that speak HTTP/2; left out: nothing. */
  readonly http2?: () => Http2Numbers;
  /** What to say of the processes of an upstream that is spawned. */
  readonly spawned?: (upstream: string) => object | undefined;
}

/** Clients that speak HTTP/2, and their streams. */
export interface Http2Numbers {
  readonly connections: number;
  readonly streams: number;
}

/** What came of a reload; the fields are those of the response. */
export type AdminReload =
  | { readonly ok: true; readonly generation: number; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly generation: number; readonly errors: readonly string[] };

type Page = (deps: AdminDeps, request: HttpRequest) => BytesResponse | Promise<BytesResponse>;

const TEXT = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json";
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

const PAGES: ReadonlyMap<string, Page> = new Map<string, Page>([
  ["/livez", () => text(200, "ok\n")],
  ["/readyz", readyPage],
  ["/metrics", metricsPage],
  ["/status", statusPage],
]);

/** Those that others than operators may see. */
const PROBES: ReadonlySet<string> = new Set(["/livez", "/readyz", "/metrics"]);

const METHODS = "GET, HEAD";

/** What changes something: by POST alone. */
const ACTIONS: ReadonlyMap<string, Page> = new Map<string, Page>([["/reload", reloadPage]]);

/** Answers a request to the admin address. */
export function createAdmin(
  deps: AdminDeps,
): (request: HttpRequest, peer: HttpPeer) => BytesResponse | Promise<BytesResponse> {
  const hosts = new Set(deps.hosts);
  return (request, peer) => {
    if (!isOwnHost(request.headers.get("host"), peer, hosts)) {
      return text(403, "This host is not served here (name it in admin.hosts)\n");
    }
    const target = parseTarget(request.url);
    if (target.kind === "refused") return text(target.status, `${target.reason}\n`);
    if (deps.isForProbes && !PROBES.has(target.path)) {
      return text(404, "There are /livez, /readyz and /metrics\n");
    }
    const action = ACTIONS.get(target.path);
    if (action !== undefined) return act(action, deps, request);
    const found = PAGES.get(target.path);
    if (found === undefined) {
      return text(404, "There are /livez, /readyz, /metrics, /status and /reload\n");
    }
    if (request.method === "GET" || request.method === "HEAD") return found(deps, request);
    return text(405, `Use ${METHODS}\n`, [["allow", METHODS]]);
  };
}

/** No browser leads a stranger's page to a unix socket, or leaves the host out. */
function isOwnHost(text: string | null, peer: HttpPeer, hosts: ReadonlySet<string>): boolean {
  if (text === null || peer.host === "") return true;
  const name = parseHost(text)?.name;
  if (name === undefined) return false;
  return name.startsWith("[") || isIpv4(name) || name === "localhost" || hosts.has(name);
}

function act(action: Page, deps: AdminDeps, request: HttpRequest) {
  if (request.method !== "POST") return text(405, "Use POST\n", [["allow", "POST"]]);
  const site = request.headers.get("sec-fetch-site");
  const isFromPage = request.headers.get("origin") !== null || (site !== null && site !== "none");
  if (isFromPage) return text(403, "This is not taken from a page in a browser (use afcgi)\n");
  return action(deps, request);
}

async function reloadPage({ reload }: AdminDeps, { headers }: HttpRequest): Promise<BytesResponse> {
  if (reload === undefined) return text(404, "The configuration cannot be read again here\n");
  const result = await reload();
  const status = result.ok ? 200 : 400;
  const wantsText = /^\s*text\/plain/i.test(headers.get("accept") ?? "");
  if (!wantsText) return page(status, JSON_TYPE, `${JSON.stringify(result)}\n`);
  const lines = result.ok
    ? [`reloaded: generation ${result.generation}`, ...result.warnings]
    : result.errors;
  return text(status, lines.map((line) => `${line}\n`).join(""));
}

async function metricsPage({ metrics }: AdminDeps): Promise<BytesResponse> {
  return page(200, METRICS_TYPE, await metrics.render());
}

async function statusPage(deps: AdminDeps): Promise<BytesResponse> {
  const own = statusOf(deps);
  return page(200, JSON_TYPE, JSON.stringify(await deps.whole?.(own) ?? own));
}

async function readyPage({ isReady, waitingFor }: AdminDeps): Promise<BytesResponse> {
  if (!isReady()) return text(503, "stopping\n");
  const waiting = await waitingFor?.() ?? [];
  if (waiting.length === 0) return text(200, "ready\n");
  return text(503, waiting.map((line) => `waiting for ${line}\n`).join(""));
}

function text(
  status: number,
  content: string,
  fields: readonly (readonly [string, string])[] = [],
): BytesResponse {
  return page(status, TEXT, content, fields);
}

function page(
  status: number,
  type: string,
  content: string,
  fields: readonly (readonly [string, string])[] = [],
): BytesResponse {
  const all = [
    ...fields,
    ["content-type", type],
    ["cache-control", "no-store"],
    ["x-content-type-options", "nosniff"],
  ] as const;
  return new BytesResponse(status, all, utf8(content));
}

/** What `/status` says. */
export type AdminStatus = ReturnType<typeof statusOf>;

/** What it says of one thread. */
export function statusOf(
  { version, upstreams, spawned, http2 }: Pick<
    AdminDeps,
    "version" | "upstreams" | "spawned" | "http2"
  >,
) {
  return {
    version,
    http2: http2?.(),
    upstreams: upstreams.map((upstream) => ({
      name: upstream.options.name,
      protocol: upstream.options.protocol,
      ...(upstream.options.protocol === "http" && { tunnels: upstream.tunnelsOpen }),
      requests_open: upstream.requestsOpen,
      queue_length: upstream.queueLength,
      spawn: spawned?.(upstream.options.name),
      servers: upstream.servers.map((server) => ({
        address: server.address,
        mode: server.mode,
        up: server.isUp,
        resting: server.isEjected,
        leaving: server.isLeaving,
        weight: server.weight,
        connections: [...server.connections].map((connection) => ({
          number: connection.number,
          state: connection.state,
          streams: connection.streams,
          requests: connection.requestsBegun,
          paused: connection.isPaused,
          stray_records: connection.strayRecords,
        })),
      })),
    })),
  };
}
