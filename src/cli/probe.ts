/** `afcgi probe ADDR`: what an application supports. */
import { FASTCGI_PORT, formatAddress } from "../runtime/address.ts";
import { type FpmReport, probeFpm } from "../php/fpm_probe.ts";
import { isFpmBody } from "../php/fpm_words.ts";
import type { NegotiationOutcome } from "../upstream/negotiation.ts";
import { probeApplication, type ProbeReport } from "../upstream/probe.ts";
import {
  type CommandArguments,
  type CommandDefinition,
  type CommandIo,
  ExitStatus,
  print,
  UsageError,
} from "./command.ts";
import { readAddressFlag, readTimeFlag } from "./flag_values.ts";
import { type HttpProbeTarget, probeHttp, readHttpTarget } from "./probe_http.ts";
import { spellControls } from "./spelling.ts";

export const probeCommand: CommandDefinition = {
  declare: (command) => {
    command
      .argument(
        "<address>",
        "its address, such as tcp://127.0.0.1:9000 or http://127.0.0.1:8080/up",
      )
      .option("--timeout <time>", "timeout of each response", "3s")
      .option("--status <path>", "php-fpm's status page (default: /fpm-status, then /status)")
      .option("--json", "as JSON");
  },
  run: probe,
};

/** Status 0 when the application could be asked, and a page that was named; 1 when not. */
async function probe(io: CommandIo, args: CommandArguments): Promise<number> {
  const { runtime } = io;
  const target = readHttpTarget(args.positional[0]!);
  if (target !== undefined) return await probeServer(io, args, target);
  const address = readAddressFlag("probe", args.positional[0]!, { defaultPort: FASTCGI_PORT });
  const timeoutMs = readTimeFlag("--timeout", String(args.options["timeout"]));
  const statusPath = readStatusFlag(args.options["status"] as string | undefined);
  const { answerBody, ...report } = await probeApplication(address, { runtime, timeoutMs });
  const wantsFpm = report.fault === undefined &&
    (statusPath !== undefined || isFpmBody(answerBody ?? ""));
  const fpm = wantsFpm
    ? await probeFpm(address, { runtime, timeoutMs, ...(statusPath && { statusPath }) })
    : undefined;
  const fault = report.fault ?? fpm?.fault;
  const name = formatAddress(address);
  if (args.options["json"]) {
    print(io, JSON.stringify({ address: name, ...report, ...(fpm && { phpFpm: fpm }) }, null, 2));
  } else if (!args.quiet || fault !== undefined) {
    const lines = [...reportLines(name, report), ...(fpm ? fpmLines(fpm) : [])];
    // What an application sends is printed with its control characters spelt out.
    for (const line of lines) print(io, spellControls(line));
  }
  return fault === undefined ? ExitStatus.fine : ExitStatus.failed;
}

/** The same for an HTTP server. */
async function probeServer(
  io: CommandIo,
  args: CommandArguments,
  target: HttpProbeTarget,
): Promise<number> {
  const timeoutMs = readTimeFlag("--timeout", String(args.options["timeout"]));
  const report = await probeHttp(target, { runtime: io.runtime, timeoutMs });
  const name = formatAddress(target.address);
  const { fault, connectMs, answerMs, status, keepsConnection, server } = report;
  if (args.options["json"]) {
    print(io, JSON.stringify({ address: name, path: target.path, ...report }, null, 2));
  } else if (!args.quiet || fault !== undefined) {
    const lines = fault !== undefined ? [row("error", fault)] : [
      row("connected in", milliseconds(connectMs)),
      row("responded in", milliseconds(answerMs)),
      row("status", String(status)),
      row("keeps connection", yesOrNo(keepsConnection)),
      ...(server === undefined ? [] : [row("server", server)]),
    ];
    for (const line of [`${name} ${target.path}`, ...lines]) print(io, spellControls(line));
  }
  return fault === undefined ? ExitStatus.fine : ExitStatus.failed;
}

function readStatusFlag(text: string | undefined): string | undefined {
  if (text === undefined || /^\/[^\s?#]*$/.test(text)) return text;
  throw new UsageError(`--status: "${text}" is no path (use that of pm.status_path)`);
}

/** What became of the question. */
const OUTCOMES: Readonly<Record<NegotiationOutcome, string>> = {
  answered: "answered",
  closed: "no response: it closed the connection",
  refused: "refused",
  silent: "no response",
  unread: "not read: every worker is busy",
};

const LABEL_LENGTH = 18;

function row(label: string, value: string): string {
  return `  ${label.padEnd(LABEL_LENGTH)}${value}`;
}

function reportLines(address: string, report: Omit<ProbeReport, "answerBody">): string[] {
  if (report.fault !== undefined) return [address, row("error", report.fault)];
  const values = Object.entries(report.values ?? {}).map(([name, value]) => row(name, value));
  return [
    address,
    row("connected in", milliseconds(report.connectMs)),
    row("responded in", milliseconds(report.answerMs)),
    ...(report.values === undefined
      ? [row("FCGI_GET_VALUES", OUTCOMES[report.outcome ?? "silent"])]
      : values),
    row("multiplexes", yesOrNo(report.multiplexes)),
    row("keeps connection", yesOrNo(report.keepsConnection)),
    ...hints(report).map((line) => `  - ${line}`),
  ];
}

/** What a server of the gateway does about it by itself. */
function hints(
  { multiplexes, keepsConnection, outcome }: Omit<ProbeReport, "answerBody">,
): string[] {
  if (keepsConnection === false) {
    const also = multiplexes ? ", nor shared though it says that it multiplexes" : "";
    return [`it closes connections that it is asked to keep: they are not kept${also}`];
  }
  if (keepsConnection && outcome === "silent") {
    return ["it does not answer FCGI_GET_VALUES: connections are kept with reuse: true alone"];
  }
  return [];
}

function fpmLines({ ping, status, advice, fault }: FpmReport): string[] {
  const lines = [row("php-fpm", status === undefined ? "yes" : `pool ${status.pool}`)];
  if (ping !== undefined) lines.push(row(ping.path, ping.text));
  if (status !== undefined) {
    const { activeProcesses, totalProcesses, activeProcessesMax } = status;
    // The one that answers with the page would be idle.
    const busy = Math.max(0, activeProcesses - 1);
    lines.push(
      row("children", `${totalProcesses}: ${busy} busy, ${totalProcesses - busy} idle`),
      row("at once, most", String(activeProcessesMax)),
      row("limit reached", String(status.maxChildrenReached)),
      row("listen queue", `${status.listenQueue} now, ${status.listenQueueMax} at most`),
      row("slow requests", String(status.slowRequests)),
    );
  }
  lines.push(...advice.map((line) => `  - ${line}`));
  if (fault !== undefined) lines.push(row("error", fault));
  return lines;
}

function milliseconds(timeMs: number | undefined): string {
  return timeMs === undefined ? "no response" : `${timeMs.toFixed(1)} ms`;
}

function yesOrNo(value: boolean | undefined): string {
  if (value === undefined) return "unknown";
  return value ? "yes" : "no";
}
