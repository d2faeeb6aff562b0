/** `afcgi responder`: the built-in FastCGI application alone, for trying out web servers. */
import { LimitedLog } from "../observe/limited_log.ts";
import { Logger } from "../observe/logger.ts";
import { demoApp } from "../responder/demo_app.ts";
import { type ErrorContext, RESPONDER_LIMIT_DEFAULTS } from "../responder/options.ts";
import { type FastCgiServer, serveFastCgi } from "../responder/serve_fastcgi.ts";
import { FASTCGI_PORT, formatAddress, type ListenAddress } from "../runtime/address.ts";
import { ListenError } from "../runtime/network.ts";
import { TIME_MAX_MS } from "../config/units.ts";
import {
  type CommandArguments,
  type CommandDefinition,
  type CommandIo,
  errorText,
} from "./command.ts";
import { quietnessLevel } from "./config_flags.ts";
import { readCountFlag, readListenFlag } from "./flag_values.ts";
import { untilStopped } from "./lifetime.ts";
import { logUnexpected } from "../app/unexpected_log.ts";
import { onUnexpected } from "../runtime/unexpected.ts";

/** Status of a responder that was told to die; a crash's, not that of bad usage. */
const EXIT_DIED = 1;

/** Where a web server or spawn-fcgi leaves the socket that it has opened for us. */
const INHERITED: ListenAddress = { transport: "inherited", descriptor: 0 };
const LOOPBACK: ListenAddress = { transport: "tcp", host: "127.0.0.1", port: FASTCGI_PORT };
const { maxRequests: DEFAULT_REQUESTS_MAX } = RESPONDER_LIMIT_DEFAULTS;

export const responderCommand: CommandDefinition = {
  declare: (command) => {
    command
      .option(
        "-l, --listen <address>",
        "where to listen for FastCGI; fd:0 is the socket that a web server or spawn-fcgi left us " +
          `(default: that socket, else ${formatAddress(LOOPBACK)})`,
      )
      .option("--delay <ms>", "milliseconds before each response", "0")
      .option(
        "--max-requests <count>",
        "maximum of requests at once; more are refused as overloaded",
        String(DEFAULT_REQUESTS_MAX),
      )
      .option("--no-multiplex", "take one request at a time on a connection");
  },
  run: responder,
};

async function responder(io: CommandIo, args: CommandArguments): Promise<number> {
  const { runtime } = io;
  const flag = (name: string) => String(args.options[name]);
  const given = args.options["listen"];
  const listen = given === undefined ? undefined : readListenFlag("--listen", String(given));
  const delayMs = readCountFlag("--delay", flag("delay"), 0, TIME_MAX_MS);
  const maxRequests = readCountFlag("--max-requests", flag("maxRequests"), 1, 1_000_000);
  runtime.process.unblockOutput();
  const logger = new Logger({
    sink: runtime.process.stderr,
    clock: runtime.clock,
    level: quietnessLevel(args) ?? "info",
    format: runtime.process.stderr.isTerminal ? "text" : "json",
  });
  onUnexpected(logUnexpected(new LimitedLog(logger, runtime.clock)));
  runtime.process.surviveExceptions();
  const die = () => runtime.process.exit(EXIT_DIED);
  const application = demoApp({ delayMs, clock: runtime.clock, die });
  const options = {
    runtime,
    maxRequests,
    multiplex: args.options["multiplex"] !== false,
    onError: (error: unknown, { phase, peer }: ErrorContext) =>
      logger.warn(errorText(error), { phase, peer }),
  };
  const server = listen === undefined
    ? await serveByDefault((where) => serveFastCgi(application, { ...options, listen: where }))
    : await serveFastCgi(application, { ...options, listen });
  const stopped = untilStopped(runtime.process, logger, () => server.shutdown());
  logger.info("listening", { address: formatAddress(server.addr) });
  return await stopped;
}

/** On the inherited socket where there is one, else on the usual port. */
async function serveByDefault(
  serve: (listen: ListenAddress) => Promise<FastCgiServer>,
): Promise<FastCgiServer> {
  try {
    return await serve(INHERITED);
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    return await serve(LOOPBACK);
  }
}
