/**
 * The admin address: `/livez` (we run), `/readyz` (requests would be answered), `/metrics` (Prometheus),
 * `/status` (upstreams, servers and connections as JSON). Meant for the machine and its operators,
 * never for the world.
 */
import { Hono } from "hono";
import type { MetricsRegistry } from "../observe/metrics.ts";
import type { Upstream } from "../upstream/upstream.ts";

export interface AdminParts {
  readonly metrics: MetricsRegistry;
  readonly upstreams: readonly Upstream[];
  readonly version: string;
  /** False once a stop has been asked for. */
  readonly isReady: () => boolean;
  /** What requests would wait for, a line each; left out: nothing is waited for. */
  readonly waitingFor?: () => Promise<readonly string[]>;
  /** What to say of the processes of an upstream that is spawned. */
  readonly spawned?: (upstream: string) => object | undefined;
}

export function createAdmin(parts: AdminParts): Hono {
  const app = new Hono();
  app.get("/livez", (c) => c.text("ok\n"));
  app.get("/readyz", async (c) => {
    if (!parts.isReady()) return c.text("stopping\n", 503);
    const waiting = await parts.waitingFor?.() ?? [];
    if (waiting.length === 0) return c.text("ready\n");
    return c.text(waiting.map((line) => `waiting for ${line}\n`).join(""), 503);
  });
  app.get("/metrics", (c) => {
    c.header("content-type", "text/plain; version=0.0.4; charset=utf-8");
    return c.body(parts.metrics.render());
  });
  app.get(
    "/status",
    (c) => c.json({ version: parts.version, upstreams: statusOf(parts) }),
  );
  app.notFound((c) => c.text("There are /livez, /readyz, /metrics and /status\n", 404));
  return app;
}

function statusOf({ upstreams, spawned }: AdminParts) {
  return upstreams.map((upstream) => ({
    name: upstream.options.name,
    requests_open: upstream.requestsOpen,
    queue_length: upstream.queueLength,
    spawn: spawned?.(upstream.options.name),
    servers: upstream.servers.map((server) => ({
      address: server.address,
      mode: server.mode,
      up: server.isUp,
      resting: server.isResting,
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
  }));
}
