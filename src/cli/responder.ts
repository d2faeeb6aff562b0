/** `afcgi responder`: the built-in FastCGI application alone, for trying out fronts. */
import { Logger } from "../observe/logger.ts";
import { demoApp } from "../responder/demo_app.ts";
import { RESPONDER_LIMIT_DEFAULTS } from "../responder/options.ts";
import { serveFastCgi } from "../responder/serve_fastcgi.ts";
import { FASTCGI_PORT, formatAddress } from "../runtime/address.ts";
import { TIME_MAX_MS } from "../config/units.ts";
import {
  type CommandArguments,
  type CommandDefinition,
  type CommandIo,
  errorText,
} from "./command.ts";
import { quietnessLevel } from "./config_flags.ts";
import { readAddressFlag, readCountFlag } from "./flag_values.ts";
import { untilStopped } from "./lifetime.ts";

const DEFAULT_LISTEN = `127.0.0.1:${FASTCGI_PORT}`;
const { maxRequests: DEFAULT_REQUESTS_MAX } = RESPONDER_LIMIT_DEFAULTS;

export const responderCommand: CommandDefinition = {
  name: "responder",
  summary: "run the built-in FastCGI application alone",
  declare: (command) => {
    command
      .option("-l, --listen <address>", "where to listen for FastCGI", DEFAULT_LISTEN)
      .option("--delay <ms>", "milliseconds before each answer", "0")
      .option(
        "--max-requests <count>",
        "most requests at once; more are refused as overloaded",
        String(DEFAULT_REQUESTS_MAX),
      )
      .option("--no-multiplex", "take one request at a time on a connection");
  },
  run: responder,
};

async function responder(io: CommandIo, args: CommandArguments): Promise<number> {
  const { runtime } = io;
  const flag = (name: string) => String(args.options[name]);
  const listen = readAddressFlag("--listen", flag("listen"), {
    anyHost: true,
    defaultPort: FASTCGI_PORT,
  });
  const delayMs = readCountFlag("--delay", flag("delay"), 0, TIME_MAX_MS);
  const maxRequests = readCountFlag("--max-requests", flag("maxRequests"), 1, 1_000_000);
  const logger = new Logger({
    sink: runtime.process.stderr,
    clock: runtime.clock,
    level: quietnessLevel(args) ?? "info",
    format: runtime.process.stderr.isTerminal ? "text" : "json",
  });
  const server = await serveFastCgi(demoApp({ delayMs, clock: runtime.clock }), {
    listen,
    runtime,
    maxRequests,
    multiplex: args.options["multiplex"] !== false,
    onError: (error, { phase, peer }) =>
      logger.warn("fault", { error: errorText(error), phase, peer }),
  });
  const stopped = untilStopped(runtime.process, logger, () => server.shutdown());
  logger.info("listening", { address: formatAddress(server.address) });
  return await stopped;
}
