/**
 * What is said of the process as a whole: `process_*` under the names that clients of Prometheus give
 * them, and which version runs.
 */
import type { MetricsRegistry, Sample } from "../observe/metrics.ts";
import type { Runtime } from "../runtime/runtime.ts";

export function registerProcessMetrics(
  registry: MetricsRegistry,
  runtime: Pick<Runtime, "clock" | "process" | "name" | "version">,
  version: string,
): void {
  const { clock, process } = runtime;
  const gauge = (name: string, help: string, read: () => number | undefined) =>
    registry.gauge(name, help, [], () => known(read()));
  const startedS = clock.wallMs() / 1000;
  registry.gauge(
    "afcgi_build_info",
    "The version that runs",
    ["version", "runtime", "runtime_version"],
    () => [{ labels: [version, runtime.name, runtime.version], value: 1 }],
  );
  const usage = () => process.usage();
  registry.total(
    "process_cpu_seconds_total",
    "Processor time, user and system, in seconds",
    () => usage().cpuS,
  );
  gauge("process_resident_memory_bytes", "Resident memory", () => usage().residentLength);
  gauge("process_virtual_memory_bytes", "Virtual memory", () => usage().virtualLength);
  gauge("process_open_fds", "Open file descriptors", () => usage().descriptors);
  gauge("process_max_fds", "Most file descriptors", () => process.descriptorLimit);
  gauge("process_start_time_seconds", "Start, in seconds since 1970", () => startedS);
}

/** Nothing is said where nobody knows. */
function known(value: number | undefined): readonly Sample[] {
  return value === undefined ? [] : [{ labels: [], value }];
}
