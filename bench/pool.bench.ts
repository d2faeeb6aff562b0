/**
 * How many requests a second pass the upstream engine (pool, queue, connection, multiplexer and
 * exchange) over connections in memory, under whichever runtime runs this file:
 * `bun bench/pool.bench.ts`, `deno run -A bench/pool.bench.ts`. `--count N` repeats.
 *
 * The application answers in whole records as soon as a request's STDIN has ended. The clock is the
 * real one: turns of the event loop are in these figures, what sockets cost is not.
 */
import { ProtocolStatus, RecordType, Role } from "../src/protocol/constants.ts";
import { encodeNameValues } from "../src/protocol/name_value.ts";
import { RecordDecoder } from "../src/protocol/record_decoder.ts";
import { RecordEncoder } from "../src/protocol/record_encoder.ts";
import { parseAddress } from "../src/runtime/address.ts";
import { currentRuntime } from "../src/runtime/current.ts";
import { MemoryRuntime } from "../tests/support/memory/memory.ts";
import type { ByteConnection } from "../src/runtime/connection.ts";
import type { Runtime } from "../src/runtime/runtime.ts";
import { Upstream } from "../src/upstream/upstream.ts";
import { type Benchmark, runBenchmarks } from "./micro.ts";

const ADDRESS = "tcp://127.0.0.1:9000";
const CONNECTIONS = 8;
const RESPONSE = new TextEncoder().encode(
  "Content-Type: text/plain\r\nContent-Length: 12\r\n\r\nhello world\n",
);
const PARAMS = encodeNameValues([
  ["GATEWAY_INTERFACE", "CGI/1.1"],
  ["SERVER_PROTOCOL", "HTTP/1.1"],
  ["REQUEST_METHOD", "GET"],
  ["REQUEST_URI", "/articles/2024"],
  ["SCRIPT_NAME", ""],
  ["PATH_INFO", "/articles/2024"],
  ["QUERY_STRING", ""],
  ["HTTP_HOST", "www.example.com"],
]);

/** Connections in memory, and the real clock. */
function benchRuntime(): Runtime {
  const memory = new MemoryRuntime();
  const {
    name,
    version,
    platform,
    connect,
    listen,
    resolver,
    tls,
    createCompressor,
    compressQuickly,
    files,
    process,
    spawner,
  } = memory;
  return {
    name,
    version,
    platform,
    connect,
    listen,
    listenInherited: (descriptor) => memory.listenInherited(descriptor),
    resolver,
    tls,
    createCompressor,
    compressQuickly,
    files,
    process,
    spawner,
    sendRequest: (request) => memory.sendRequest(request),
    openPrivateDirectory: (path) => memory.openPrivateDirectory(path),
    listenSockets: (options) => memory.listenSockets(options),
    collectGarbage: () => {},
    clock: currentRuntime().clock,
  };
}

async function serve({ readable, writable }: ByteConnection): Promise<void> {
  const decoder = new RecordDecoder();
  const encoder = new RecordEncoder();
  const writer = writable.getWriter();
  for await (const piece of readable) {
    decoder.push(piece);
    for (let record = decoder.next(); record !== undefined; record = decoder.next()) {
      const { type, requestId, content } = record;
      if (type !== RecordType.STDIN || content.length > 0) continue;
      encoder.stream(RecordType.STDOUT, requestId, RESPONSE);
      encoder.streamEnd(RecordType.STDOUT, requestId);
      encoder.endRequest(requestId, 0, ProtocolStatus.REQUEST_COMPLETE);
    }
    const responses = encoder.take();
    if (responses.length > 0) await writer.write(responses);
    encoder.recycle(responses);
  }
}

async function startUpstream(multiplex: "on" | "off"): Promise<Upstream> {
  const runtime = benchRuntime();
  await runtime.listen(parseAddress(ADDRESS), (connection) => void serve(connection));
  const connections = {
    max: CONNECTIONS,
    streamsMax: 1024,
    idleTimeoutMs: undefined,
    requestsMax: 0,
    reuse: true,
  };
  return new Upstream({ servers: [ADDRESS], multiplex, connections }, { runtime });
}

async function ask(upstream: Upstream): Promise<void> {
  const { head } = await upstream.send({
    id: "bench",
    role: Role.RESPONDER,
    method: "GET",
    params: () => PARAMS,
    body: undefined,
  });
  if (head.status !== 200) {
    throw new Error(`Cannot trust these figures: status ${head.status}`);
  }
}

/** A repetition is a whole batch: each client sends its request, and all are answered. */
function batch(upstream: Upstream, name: string, clients: number): Benchmark {
  return {
    name: `${name}: ${clients} at once`,
    share: 0.2 / clients,
    each: clients,
    run: async () => {
      await Promise.all(Array.from({ length: clients }, () => ask(upstream)));
    },
  };
}

const multiplexed = await startUpstream("on");
const pooled = await startUpstream("off");
await runBenchmarks([
  batch(multiplexed, "one connection", 1),
  batch(multiplexed, "one connection", 64),
  batch(multiplexed, "one connection", 1000),
  batch(pooled, `${CONNECTIONS} connections, one request each`, 1),
  batch(pooled, `${CONNECTIONS} connections, one request each`, 64),
]);
await Promise.all([multiplexed.drain(0), pooled.drain(0)]);
