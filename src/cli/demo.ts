/**
 * `afcgi demo`: the built-in application on a unix socket and the proxy in front of it, in one
 * process but with a real socket between the two. The socket goes when the command ends.
 */
import { startApp } from "../app/app.ts";
import type { AppOptions } from "../app/options.ts";
import { GEMINI_LISTEN_RULES } from "../config/gemini_schema.ts";
import { appPreset } from "../config/preset.ts";
import { DEFAULT_LISTEN, LISTEN_ADDRESS_RULES } from "../config/schema.ts";
import { Logger } from "../observe/logger.ts";
import { demoApp } from "../responder/demo_app.ts";
import { type FastCgiServer, serveFastCgi } from "../responder/serve_fastcgi.ts";
import { type Address, formatAddress, type UnixAddress } from "../runtime/address.ts";
import type { Process } from "../runtime/process.ts";
import type { Runtime } from "../runtime/runtime.ts";
import {
  type CommandArguments,
  type CommandDefinition,
  type CommandIo,
  errorText,
  print,
  UsageError,
} from "./command.ts";
import { quietnessLevel } from "./config_flags.ts";
import { readAddressFlag } from "./flag_values.ts";
import { dataDirectory } from "./data_directory.ts";
import { DEFAULT_GEMINI_LISTEN, demoGemini, geminiUrlOf } from "./demo_gemini.ts";
import { untilStopped } from "./lifetime.ts";
import { PROGRAM_VERSION } from "./program_version.ts";

export const demoCommand: CommandDefinition = {
  declare: (command) => {
    command.option("-l, --listen <address>", "where to serve HTTP", DEFAULT_LISTEN)
      .option("--gemini [address]", `serve Gemini too (default: ${DEFAULT_GEMINI_LISTEN})`);
  },
  run: demo,
};

async function demo(io: CommandIo, args: CommandArguments): Promise<number> {
  const { runtime } = io;
  const { process, clock } = runtime;
  const listen = readAddressFlag("--listen", String(args.options["listen"]), LISTEN_ADDRESS_RULES);
  const gemini = readGeminiFlag(args.options["gemini"], process);
  const level = quietnessLevel(args) ?? "warn";
  const format = process.stderr.isTerminal ? "text" : "json";
  runtime.process.unblockOutput();
  const logger = new Logger({ sink: process.stderr, clock, level, format });
  const socket = socketAddress(process);
  const application = await serveFastCgi(demoApp({ delayMs: 0, clock }), {
    listen: socket,
    runtime,
    onError: (error, { phase, peer }) => logger.warn(errorText(error), { phase, peer }),
  });
  const app = await startProxy(runtime, logger, {
    ...demoOptions(socket, listen),
    ...(gemini && { gemini }),
  }, application);
  const stopped = untilStopped(process, logger, async () => {
    await app.stop();
    await application.shutdown();
  });
  const url = `http://${formatAddress(app.addresses[0]!).replace(/^tcp:\/\//, "")}`;
  const geminiUrl = app.geminiAddresses[0] && geminiUrlOf(app.geminiAddresses[0]);
  const urls = geminiUrl === undefined ? [url] : [url, geminiUrl];
  for (const line of args.quiet ? urls : greeting(url, geminiUrl, socket)) print(io, line);
  return await stopped;
}

function readGeminiFlag(value: unknown, process: Process): AppOptions["gemini"] {
  if (value === undefined) return undefined;
  const text = value === true ? DEFAULT_GEMINI_LISTEN : String(value);
  const listen = readAddressFlag("--gemini", text, GEMINI_LISTEN_RULES);
  if (listen.transport !== "tcp") throw new UsageError("--gemini: Use host:port");
  return demoGemini(listen, "app", `${dataDirectory(process)}/demo`);
}

function demoOptions(socket: Address, listen: Address): AppOptions {
  const servers = [{ address: socket, weight: 1, backup: false }];
  const options = appPreset({ servers }, undefined);
  return {
    ...options,
    listen: [{ address: listen, tls: undefined }],
    log: { ...options.log, access: "off" },
  };
}

/** A proxy that does not start takes the application with it. */
async function startProxy(
  runtime: Runtime,
  logger: Logger,
  options: AppOptions,
  application: FastCgiServer,
) {
  try {
    return await startApp(options, { runtime, logger, version: PROGRAM_VERSION });
  } catch (error) {
    await application.shutdown({ grace: 0 });
    throw error;
  }
}

/** In the system's directory for temporary files; a name that no other run has. */
function socketAddress(process: Process): UnixAddress {
  const directory = process.env("TMPDIR") || process.env("TEMP") || "/tmp";
  const name = `afcgi-demo-${process.pid}-${crypto.randomUUID().slice(0, 8)}.sock`;
  return { transport: "unix", path: `${directory.replace(/[\\/]$/, "")}/${name}` };
}

function greeting(url: string, geminiUrl: string | undefined, socket: Address): string[] {
  return [
    `Open ${url}/`,
    ...(geminiUrl === undefined ? [] : [`or   ${geminiUrl}`]),
    "",
    `The application answers over FastCGI at ${formatAddress(socket)}`,
    "",
    "Try:",
    `  curl ${url}/env`,
    `  curl -N ${url}/stream`,
    `  curl -d 'Hello' ${url}/echo`,
    "",
    "Ctrl-C ends it.",
  ];
}
