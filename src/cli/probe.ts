/** `afcgi probe ADDR`: what an application supports. */
import { FASTCGI_PORT, formatAddress } from "../runtime/address.ts";
import { probeApplication, type ProbeReport } from "../upstream/probe.ts";
import {
  type CommandArguments,
  type CommandDefinition,
  type CommandIo,
  ExitStatus,
  print,
} from "./command.ts";
import { readAddressFlag, readTimeFlag } from "./flag_values.ts";
import { spellControls } from "./spelling.ts";

export const probeCommand: CommandDefinition = {
  name: "probe",
  summary: "ask a FastCGI application what it supports",
  declare: (command) => {
    command
      .argument("<address>", "where it listens, such as tcp://127.0.0.1:9000")
      .option("--timeout <time>", "how long to wait for each answer", "3s")
      .option("--json", "as JSON");
  },
  run: probe,
};

/** Status 0 when the application could be asked, 1 when not. */
async function probe(io: CommandIo, args: CommandArguments): Promise<number> {
  const address = readAddressFlag("probe", args.positional[0]!, { defaultPort: FASTCGI_PORT });
  const timeoutMs = readTimeFlag("--timeout", String(args.options["timeout"]));
  const report = await probeApplication(address, { runtime: io.runtime, timeoutMs });
  if (args.options["json"]) {
    print(io, JSON.stringify({ address: formatAddress(address), ...report }, null, 2));
  } else if (!args.quiet || report.fault !== undefined) {
    for (const line of reportLines(formatAddress(address), report)) print(io, line);
  }
  return report.fault === undefined ? ExitStatus.fine : ExitStatus.failed;
}

const LABEL_LENGTH = 18;

function reportLines(address: string, report: ProbeReport): string[] {
  const row = (label: string, value: string) => `  ${label.padEnd(LABEL_LENGTH)}${value}`;
  if (report.fault !== undefined) return [address, row("fault", report.fault)];
  // What an application sends is printed with its control characters spelt out.
  const values = Object.entries(report.values ?? {})
    .map(([name, value]) => row(spellControls(name), spellControls(value)));
  return [
    address,
    row("connected in", milliseconds(report.connectMs)),
    row("answered in", milliseconds(report.answerMs)),
    ...(report.values === undefined ? [row("FCGI_GET_VALUES", "no answer")] : values),
    row("multiplexes", yesOrNo(report.multiplexes)),
    row("keeps connection", yesOrNo(report.keepsConnection)),
  ];
}

function milliseconds(timeMs: number | undefined): string {
  return timeMs === undefined ? "no answer" : `${timeMs.toFixed(1)} ms`;
}

function yesOrNo(value: boolean | undefined): string {
  if (value === undefined) return "unknown";
  return value ? "yes" : "no";
}
