/** What an operator sees: access lines, /livez, /readyz, /metrics and /status. */
import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { type Gateway, runtime, withGateway } from "../support/gateway.ts";
import { HttpConnection } from "../support/raw_http.ts";

test("An access line says what was asked, what was answered, and by whom", async () => {
  const application = async (request: Request) =>
    new Response(`${(await request.arrayBuffer()).byteLength} bytes`, { status: 201 });
  await withGateway({ application }, async (gateway) => {
    await gateway.send({ method: "POST", target: "/a%20b?c=d", body: "12345" });
    const { ts, duration_ms, upstream_ms, request_id, server, ...line } = await gateway.access
      .ofPath("/a%20b?c=d");
    assert.deepEqual(line, {
      level: "info",
      msg: "request",
      upstream: "app",
      connection: 1,
      stream: 1,
      method: "POST",
      path: "/a%20b?c=d",
      status: 201,
      bytes_in: 5,
      bytes_out: 7,
      client: "127.0.0.1",
      host: "test.example",
      protocol: "HTTP/1.1",
    });
    assert.match(String(ts), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.match(String(request_id), /^[0-9a-f]{8}-\d+$/);
    assert.match(String(server), /^unix:\//);
    assert.ok(Number(duration_ms) >= Number(upstream_ms));
    assert.ok(Number(upstream_ms) >= 0);
  });
});

test("Every request has an id of its own, the one that its response names", async () => {
  await withGateway({}, async (gateway) => {
    const ids = new Set<string | undefined>();
    for (let count = 0; count < 3; count++) {
      const response = await gateway.send(`/${count}`);
      const id = response.headers.get("x-request-id");
      assert.equal((await gateway.access.ofPath(`/${count}`))["request_id"], id);
      ids.add(id);
    }
    assert.equal(ids.size, 3);
  });
});

test("A file's access line has its length, a HEAD's has none", async () => {
  const routes = [{
    path: undefined,
    methods: undefined,
    handler: { kind: "static", index: [] },
  }] as const;
  const root = new URL(".", import.meta.url).pathname;
  await withGateway({ root, routes }, async (gateway) => {
    const response = await gateway.send("/start_and_stop.ts");
    assert.equal(response.status, 200);
    await gateway.send({ method: "HEAD", target: "/start_and_stop.ts" });
    const lines = await gateway.access.findAll(2, (line) => line["path"] === "/start_and_stop.ts");
    assert.deepEqual(lines.map((line) => line["bytes_out"]), [response.body.length, 0]);
  });
});

interface Metrics {
  /** By family: its type. */
  readonly types: ReadonlyMap<string, string>;
  /** By series as it is written, such as `name{label="value"}`. */
  readonly values: ReadonlyMap<string, number>;
}

/** Reads the Prometheus text format 0.0.4, and refuses what its grammar does not know. */
function parseMetrics(text: string): Metrics {
  const types = new Map<string, string>();
  const values = new Map<string, number>();
  const helped = new Set<string>();
  assert.ok(text.endsWith("\n"));
  for (const line of text.slice(0, -1).split("\n")) {
    const help = /^# HELP ([a-z_]+) (.+)$/.exec(line);
    const type = /^# TYPE ([a-z_]+) (counter|gauge|histogram)$/.exec(line);
    if (help) {
      assert.ok(!helped.has(help[1]!), line);
      helped.add(help[1]!);
    } else if (type) {
      assert.ok(helped.has(type[1]!) && !types.has(type[1]!), line);
      types.set(type[1]!, type[2]!);
    } else {
      const label = '[a-z_]+="(?:[^"\\\\\\n]|\\\\[\\\\"n])*"';
      const sample = new RegExp(`^(([a-z_]+)(?:\\{${label}(?:,${label})*\\})?) ([-+0-9.e]+)$`)
        .exec(line);
      assert.ok(sample, `This is no sample: ${line}`);
      const family = sample[2]!.replace(/_(?:bucket|sum|count)$/, "");
      assert.ok(types.has(family) || types.has(sample[2]!), line);
      assert.ok(!values.has(sample[1]!), `This series is there twice: ${line}`);
      values.set(sample[1]!, Number(sample[3]));
    }
  }
  return { types, values };
}

async function readMetrics(gateway: Gateway): Promise<Metrics> {
  const response = await gateway.admin("/metrics");
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  return parseMetrics(response.body.toString());
}

test("/metrics has every family, of its type, in Prometheus' text format", async () => {
  await withGateway({ admin: true }, async (gateway) => {
    const { types } = await readMetrics(gateway);
    assert.deepEqual(Object.fromEntries(types), {
      afcgi_build_info: "gauge",
      process_cpu_seconds_total: "counter",
      process_resident_memory_bytes: "gauge",
      process_virtual_memory_bytes: "gauge",
      process_open_fds: "gauge",
      process_max_fds: "gauge",
      process_start_time_seconds: "gauge",
      afcgi_config_generation: "gauge",
      afcgi_config_last_reload_successful: "gauge",
      afcgi_config_last_reload_success_timestamp_seconds: "gauge",
      afcgi_http_requests_total: "counter",
      afcgi_http_request_duration_seconds: "histogram",
      afcgi_http_protocol_requests_total: "counter",
      afcgi_http_stream_connections: "gauge",
      afcgi_http_streams: "gauge",
      afcgi_http_stream_resets_total: "counter",
      afcgi_http_goaways_total: "counter",
      afcgi_http_forwarded_ignored_total: "counter",
      afcgi_tls_handshakes_failed_total: "counter",
      afcgi_certificate_expiry_seconds: "gauge",
      afcgi_proxy_protocol_refused_total: "counter",
      afcgi_client_connections: "gauge",
      afcgi_client_connections_by_state: "gauge",
      afcgi_client_connections_max: "gauge",
      afcgi_client_connections_refused_total: "counter",
      afcgi_client_connections_waits_total: "counter",
      afcgi_upstream_connections: "gauge",
      afcgi_upstream_connects_total: "counter",
      afcgi_upstream_server_up: "gauge",
      afcgi_upstream_health_checks_total: "counter",
      afcgi_upstream_lookups_total: "counter",
      afcgi_upstream_streams: "gauge",
      afcgi_upstream_tunnels: "gauge",
      afcgi_upstream_capacity: "gauge",
      afcgi_upstream_queue_length: "gauge",
      afcgi_upstream_queue_wait_seconds: "histogram",
      afcgi_upstream_queue_rejected_total: "counter",
      afcgi_upstream_retries_total: "counter",
      afcgi_upstream_aborts_total: "counter",
      afcgi_upstream_flaws_total: "counter",
      afcgi_upstream_paused_total: "counter",
      afcgi_upstream_slow_clients_total: "counter",
      afcgi_upstream_stderr_left_out_total: "counter",
      afcgi_log_lines_lost: "gauge",
      afcgi_upstream_errors_total: "counter",
      afcgi_spill_stuck_total: "counter",
      afcgi_spill_bytes: "gauge",
      afcgi_spill_space_bytes: "gauge",
      afcgi_buffer_memory_bytes: "gauge",
      afcgi_buffer_memory_waiting: "gauge",
      afcgi_buffer_memory_full_total: "counter",
    });
  });
});

test("The process is told as clients of Prometheus tell it, with the version that runs", async () => {
  await withGateway({ admin: true }, async (gateway) => {
    const { values } = await readMetrics(gateway);
    const { name, version } = runtime;
    const build = `version="1.2.3",runtime="${name}",runtime_version="${version}"`;
    assert.equal(values.get(`afcgi_build_info{${build}}`), 1);
    const number = (metric: string) => values.get(metric) ?? NaN;
    assert.ok(Math.abs(number("process_start_time_seconds") - Date.now() / 1000) < 60);
    assert.ok(number("process_resident_memory_bytes") > 1024 * 1024);
    assert.ok(number("process_cpu_seconds_total") > 0);
    if (process.platform !== "linux") return;
    assert.ok(number("process_virtual_memory_bytes") > number("process_resident_memory_bytes"));
    const before = number("process_open_fds");
    assert.ok(before >= 3 && before <= number("process_max_fds"));
    const files = Array.from({ length: 7 }, () => openSync("/dev/null", "r"));
    try {
      const later = (await readMetrics(gateway)).values.get("process_open_fds") ?? NaN;
      assert.ok(later >= before + 5, `${before} before, ${later} with seven more`);
    } finally {
      for (const file of files) closeSync(file);
    }
  });
});

test("Requests are counted by site, method and status; a made-up method is other", async () => {
  const routes = [{
    path: undefined,
    methods: undefined,
    handler: { kind: "respond", status: 200, body: "ok" },
  }] as const;
  const sites = [{ hosts: ["a.example", "b.example"], root: undefined, routes }];
  await withGateway({ sites, admin: true }, async (gateway) => {
    for (const host of ["a.example", "b.example", "nobody.example"]) {
      await gateway.send({ headers: { Host: host } });
    }
    // Bun takes no method that it does not know, so one that is known and rare.
    await gateway.send({ method: "PROPFIND", headers: { Host: "a.example" } });
    const { values } = await readMetrics(gateway);
    const counted = [...values].filter(([name]) => name.startsWith("afcgi_http_requests_total"));
    assert.deepEqual(Object.fromEntries(counted), {
      'afcgi_http_requests_total{site="a.example",method="GET",code="200"}': 2,
      'afcgi_http_requests_total{site="a.example",method="other",code="200"}': 1,
      'afcgi_http_requests_total{site="",method="GET",code="404"}': 1,
    });
    assert.equal(values.get("afcgi_http_request_duration_seconds_count"), 4);
    assert.equal(values.get('afcgi_http_request_duration_seconds_bucket{le="+Inf"}'), 4);
  });
});

test("Errors, retries and aborts are counted by upstream and code", async () => {
  await withGateway({ admin: true }, async (gateway) => {
    await gateway.send("/");
    const { values } = await readMetrics(gateway);
    const errors = 'afcgi_upstream_errors_total{upstream="app",code="connect_failed"}';
    const retries = 'afcgi_upstream_retries_total{upstream="app",reason="connect_failed"}';
    assert.equal(values.get(errors), 1);
    assert.equal(values.get(retries), 2);
  });
});

/** The value of the only series of a family with this label's value. */
function gauge({ values }: Metrics, family: string, label = ""): number | undefined {
  for (const [name, value] of values) {
    if (name.startsWith(`${family}{`) && name.includes(label)) return value;
  }
  return undefined;
}

test("Gauges and /status show requests, connections and streams as they are now", async () => {
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  let count = 0;
  const application = async () => {
    if (++count === 2) arrived.resolve();
    await gate.promise;
    return new Response("ok");
  };
  await withGateway({ application, admin: true }, async (gateway) => {
    const responses = [gateway.send("/1"), gateway.send("/2")];
    await arrived.promise;
    const busy = await readMetrics(gateway);
    assert.equal(gauge(busy, "afcgi_upstream_streams"), 2);
    assert.equal(gauge(busy, "afcgi_upstream_connections", 'state="busy"'), 1);
    assert.equal(gauge(busy, "afcgi_upstream_connections", 'state="idle"'), 0);
    assert.equal(gauge(busy, "afcgi_upstream_queue_length"), 0);
    const status = JSON.parse((await gateway.admin("/status")).body.toString());
    assert.equal(status.version, "1.2.3");
    const [upstream] = status.upstreams;
    assert.equal(upstream.name, "app");
    assert.equal(upstream.requests_open, 2);
    assert.equal(upstream.servers[0].mode, "multiplexed");
    const { number, state, streams, requests, paused } = upstream.servers[0].connections[0];
    assert.deepEqual({ number, state, streams, requests, paused }, {
      number: 1,
      state: "open",
      streams: 2,
      requests: 2,
      paused: false,
    });
    gate.resolve();
    await Promise.all(responses);
    const idle = await readMetrics(gateway);
    assert.equal(gauge(idle, "afcgi_upstream_streams"), 0);
    assert.equal(gauge(idle, "afcgi_upstream_connections", 'state="idle"'), 1);
  });
});

test("Aborted requests are counted, and what a client did not wait for too", async () => {
  const arrived = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  const application = (request: Request) => {
    request.signal.addEventListener("abort", () => aborted.resolve());
    arrived.resolve();
    return aborted.promise.then(() => new Response("late"));
  };
  await withGateway({ application, admin: true }, async (gateway) => {
    const connection = await HttpConnection.open(gateway.port);
    await connection.send({ target: "/left" });
    await arrived.promise;
    connection.destroy();
    await aborted.promise;
    await gateway.access.ofPath("/left");
    const { values } = await readMetrics(gateway);
    assert.equal(values.get('afcgi_upstream_aborts_total{upstream="app"}'), 1);
    const left = 'afcgi_http_requests_total{site="default",method="GET",code="499"}';
    assert.equal(values.get(left), 1);
  });
});

test("The admin address says what it has, and keeps to reading", async () => {
  await withGateway({ admin: true, application: () => new Response() }, async (gateway) => {
    const texts: Record<string, string> = {};
    for (const path of ["/livez", "/readyz", "/"]) {
      const response = await gateway.admin(path);
      texts[path] = `${response.status} ${response.body.toString().trim()}`;
    }
    assert.deepEqual(texts, {
      "/livez": "200 ok",
      "/readyz": "200 ready",
      "/": "404 There are /livez, /readyz, /metrics, /status and /reload",
    });
    // What is asked there is nobody's request.
    assert.deepEqual(gateway.access.lines, []);
  });
});
