/**
 * What is said of the process as a whole: `process_*` under the names that clients of Prometheus give
 * them, and which version runs.
 */
import type { MetricsRegistry } from "../observe/metrics.ts";
import type { Runtime } from "../runtime/runtime.ts";

export function registerProcessMetrics(
  registry: MetricsRegistry,
  runtime: Pick<Runtime, "clock" | "process" | "name" | "version">,
  version: string,
): void {
  const { clock, process } = runtime;
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
  registry.number("process_resident_memory_bytes", "Resident memory", () => usage().residentLength);
  registry.number("process_virtual_memory_bytes", "Virtual memory", () => usage().virtualLength);
  registry.number("process_open_fds", "Open file descriptors", () => {
    const { descriptors } = usage();
    return descriptors === Infinity ? process.descriptorLimit : descriptors;
  });
  registry.number("process_max_fds", "Most file descriptors", () => process.descriptorLimit);
  registry.number("process_start_time_seconds", "Start, in seconds since 1970", () => startedS);
}
