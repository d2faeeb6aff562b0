/**
 * `afcgi request gemini://…`: one Gemini request from the terminal, with trust on first use. The body
 * goes to standard output as it comes. Status 0 for a response of 20 to 39, 1 for any other and for
 * none, also where the host shows another certificate than before.
 */
import type { Command } from "commander";
import { resolvePath } from "../config/paths.ts";
import { requestGemini } from "../gemini/client.ts";
import { judge } from "../gemini/known_hosts.ts";
import { type GeminiUri, parseUri } from "../gemini/uri.ts";
import type { PeerCertificate } from "../runtime/tls.ts";
import {
  type CommandArguments,
  CommandError,
  type CommandIo,
  ExitStatus,
  printError,
  UsageError,
} from "./command.ts";
import { dataDirectory } from "./data_directory.ts";
import { readTimeFlag } from "./flag_values.ts";

const REFUSED_FLAGS = ["method", "header", "param", "script", "body", "data"] as const;

const GEMINI_FLAGS = [["knownHosts", "--known-hosts"], ["cert", "--cert"], [
  "key",
  "--key",
]] as const;

export function isGeminiUrl(text: string): boolean {
  return /^gemini:/i.test(text);
}

export function declareGeminiFlags(command: Command): void {
  command
    .option(
      "--known-hosts <file>",
      "gemini: file of known certificates (default: in your data directory)",
    )
    .option("--cert <file>", "gemini: client certificate, a PEM file")
    .option("--key <file>", "gemini: private key of the client certificate, a PEM file");
}

/** A FastCGI request has no use for these. */
export function refuseGeminiFlags(options: CommandArguments["options"]): void {
  for (const [key, flag] of GEMINI_FLAGS) {
    if (options[key] !== undefined) {
      throw new UsageError(`${flag}: It is for gemini:// only (leave it out)`);
    }
  }
}

export async function geminiRequest(io: CommandIo, args: CommandArguments): Promise<number> {
  const { runtime } = io;
  const { options } = args;
  const [text, more] = args.positional;
  if (more !== undefined) {
    throw new UsageError(`"${more}" is too much (a gemini:// URL says it all)`);
  }
  for (const flag of REFUSED_FLAGS) {
    if (options[flag] !== undefined) {
      throw new UsageError(`--${flag}: Gemini has none (leave it out)`);
    }
  }
  if (options["role"] !== "responder") {
    throw new UsageError("--role: Gemini has none (leave it out)");
  }
  const uri = parseUri(text!);
  if (uri.kind === "refused") throw new UsageError(`Cannot ask for "${text}": ${uri.reason}`);
  const identity = await readIdentity(io, args);
  const timeoutMs = readTimeFlag("--timeout", String(options["timeout"]));
  const timeout = new AbortController();
  const timer = runtime.clock.setTimer(() => timeout.abort(), timeoutMs);
  try {
    const reply = await requestGemini(uri, {
      runtime,
      trust: (asked, certificate) => trust(io, args, asked, certificate),
      signal: timeout.signal,
      ...(identity && { identity }),
    });
    const line = `${reply.code} ${reply.meta}`;
    if (options["include"]) {
      await runtime.process.writeStdout(new TextEncoder().encode(`${line}\r\n`));
    }
    for await (const piece of reply.body) await runtime.process.writeStdout(piece);
    if (reply.code >= 20 && reply.code < 40) return ExitStatus.fine;
    if (!args.quiet) printError(io, `afcgi: ${uri.url} answered ${line}`);
    return ExitStatus.failed;
  } catch (error) {
    if (timeout.signal.aborted) throw new CommandError(`No whole response within ${timeoutMs} ms`);
    throw error;
  } finally {
    runtime.clock.clearTimer(timer);
  }
}

async function readIdentity({ runtime }: CommandIo, { options }: CommandArguments) {
  const { cert, key } = options as Readonly<Record<string, string | undefined>>;
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError("--cert and --key belong together (use both or neither)");
  }
  if (cert === undefined || key === undefined) return undefined;
  const { files, process } = runtime;
  const read = (path: string) => files.readText(resolvePath(process.cwd(), path));
  return { cert: await read(cert), key: await read(key) };
}

/** Keeps what is seen for the first time; throws where it is not what was seen before. */
async function trust(
  io: CommandIo,
  { options, quiet }: CommandArguments,
  uri: GeminiUri,
  certificate: PeerCertificate,
): Promise<void> {
  const { files, process, clock } = io.runtime;
  const named = options["knownHosts"] as string | undefined;
  const path = named === undefined
    ? `${dataDirectory(process)}/gemini_known_hosts`
    : resolvePath(process.cwd(), named);
  await files.createText(path, "");
  const host = `${uri.host}:${uri.port}`;
  const verdict = judge(await files.readText(path), host, certificate, clock.wallMs());
  if (verdict.kind === "known") return;
  if (verdict.kind === "changed") {
    throw new CommandError(
      `${host} shows another certificate than before: SHA256:${certificate.sha256}, known is ` +
        `SHA256:${verdict.knownSha256} (if that is right, take its line out of ${path})`,
    );
  }
  const sink = await files.appendStream(path);
  sink.write(verdict.line);
  await sink.flush();
  if (!quiet) printError(io, `afcgi: ${host} is trusted from now on: SHA256:${certificate.sha256}`);
}
