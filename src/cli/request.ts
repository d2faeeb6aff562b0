/**
 * `afcgi request ADDR [URL]`: one FastCGI request from the terminal. The body of the response goes
 * to standard output as it comes, STDERR to standard error. Status 0 for a response of 2xx or 3xx,
 * 1 for any other and for none.
 */
import { type Command, Option } from "commander";
import { resolvePath } from "../config/paths.ts";
import { Role } from "../protocol/constants.ts";
import { FASTCGI_PORT, formatAddress } from "../runtime/address.ts";
import { type ClientBody, type ClientResponse, FastCgiClient } from "../upstream/fastcgi_client.ts";
import {
  type CommandArguments,
  type CommandDefinition,
  type CommandIo,
  ExitStatus,
  printError,
  UsageError,
} from "./command.ts";
import { readAddressFlag, readTimeFlag, repeated } from "./flag_values.ts";
import {
  declareGeminiFlags,
  geminiRequest,
  isGeminiUrl,
  refuseGeminiFlags,
} from "./gemini_request.ts";
import { readHeaderFlags, readMethodFlag, readUrlArgument } from "./http_flags.ts";
import { requestParameters } from "./request_parameters.ts";

const ROLES: Readonly<Record<string, Role>> = {
  responder: Role.RESPONDER,
  authorizer: Role.AUTHORIZER,
  filter: Role.FILTER,
};

export const requestCommand: CommandDefinition = {
  declare,
  run: request,
};

function declare(command: Command): void {
  command
    .argument("<address>", "its address, such as unix:/run/php/php-fpm.sock, or gemini://…")
    .argument("[url]", "path or URL to request (default: /, or the script's name)")
    .option("-X, --method <method>", "the method (default: GET, or POST with --body)")
    .addOption(
      new Option("-H, --header <field>", 'a header, such as "Accept: text/html" (repeatable)')
        .argParser(repeated),
    )
    .addOption(
      new Option(
        "-p, --param <name=value>",
        "a parameter; takes precedence over all others (repeatable)",
      )
        .argParser(repeated),
    )
    .option("--script <file>", "the script to run, as the application sees its path")
    .option("--body <file>", "send this file as the body; -: standard input")
    .addOption(
      new Option("--role <role>", "role of the application")
        .choices(Object.keys(ROLES)).default("responder"),
    )
    .option("--data <file>", "send this file as the second stream of a filter")
    .option("--timeout <time>", "timeout of the response", "60s")
    .option("-i, --include", "print the status and headers before the body");
  declareGeminiFlags(command);
}

/** What the arguments describe. */
interface Asked {
  readonly method: string;
  readonly role: Role;
  readonly params: readonly (readonly [name: string, value: string])[];
  readonly body: ClientBody | undefined;
  readonly data: ClientBody | undefined;
}

async function request(io: CommandIo, args: CommandArguments): Promise<number> {
  const { runtime } = io;
  const { options } = args;
  const [addressText, urlText] = args.positional;
  if (isGeminiUrl(addressText!)) return await geminiRequest(io, args);
  refuseGeminiFlags(options);
  const address = readAddressFlag("request", addressText!, { defaultPort: FASTCGI_PORT });
  const timeoutMs = readTimeFlag("--timeout", String(options["timeout"]));
  const asked = await readAsked(io, args, urlText);
  if (args.verbose) {
    for (const [name, value] of asked.params) {
      printError(io, `${name}=${value}`);
    }
  }
  const { role, params, body, data } = asked;
  const client = new FastCgiClient(formatAddress(address), {
    runtime,
    timeoutMs,
    onStderrLine: (line) => printError(io, line),
  });
  try {
    const response = await client.request({
      role,
      params,
      ...(body && { body }),
      ...(data && { data }),
    });
    if (options["include"]) await runtime.process.writeStdout(headerBytes(response));
    for await (const piece of response.body) await runtime.process.writeStdout(piece);
    if (response.status >= 200 && response.status < 400) return ExitStatus.fine;
    if (!args.quiet) {
      printError(io, `afcgi: ${formatAddress(address)} answered with status ${response.status}`);
    }
    return ExitStatus.failed;
  } finally {
    await client.close();
  }
}

async function readAsked(
  io: CommandIo,
  { options }: CommandArguments,
  urlText: string | undefined,
): Promise<Asked> {
  const flag = (name: string) => options[name] as string | undefined;
  const role = ROLES[flag("role")!]!;
  const bodyFile = flag("body");
  const dataFile = flag("data");
  if (role === Role.AUTHORIZER && bodyFile !== undefined) {
    throw new UsageError("--body: An authorizer gets no body (leave it out)");
  }
  if ((role === Role.FILTER) !== (dataFile !== undefined)) {
    throw new UsageError("--data: A filter, and only a filter, has it (use both or neither)");
  }
  const method = readMethodFlag(flag("method") ?? (bodyFile === undefined ? "GET" : "POST"));
  const own = readParamFlags(options["param"] as readonly string[] | undefined ?? []);
  const data = dataFile === undefined ? undefined : await fileBody(io, "--data", dataFile);
  if (dataFile !== undefined) {
    // Section 6.4: what a filter is to know of its file.
    const info = io.runtime.files.stat(resolvePath(io.runtime.process.cwd(), dataFile))!;
    own["FCGI_DATA_LAST_MOD"] ??= String(Math.floor(info.modifiedMs / 1000));
    own["FCGI_DATA_LENGTH"] ??= String(info.size);
  }
  const headers = readHeaderFlags(options["header"] as readonly string[] | undefined ?? []);
  return {
    method,
    role,
    params: requestParameters({
      method,
      url: urlText === undefined ? undefined : readUrlArgument(urlText),
      headers,
      script: flag("script") && resolvePath(io.runtime.process.cwd(), flag("script")!),
      own,
    }),
    body: bodyFile === undefined ? undefined : await bodyOf(io, bodyFile),
    data,
  };
}

function readParamFlags(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(texts.map((text) => {
    const offset = text.indexOf("=");
    if (offset > 0) return [text.slice(0, offset), text.slice(offset + 1)];
    throw new UsageError(`--param: Cannot read "${text}" (use NAME=value)`);
  }));
}

async function bodyOf(io: CommandIo, file: string): Promise<ClientBody> {
  return file === "-" ? { stream: io.runtime.process.stdin } : await fileBody(io, "--body", file);
}

async function fileBody(io: CommandIo, flag: string, file: string): Promise<ClientBody> {
  const { files, process } = io.runtime;
  const path = resolvePath(process.cwd(), file);
  const info = files.stat(path);
  const opened = info?.kind === "file" ? files.openNow(files.realPath(path) ?? path) : undefined;
  if (opened === undefined) {
    const what = info === undefined ? `There is no file "${file}"` : `"${file}" is no file`;
    const remedy = flag === "--body" ? "name one, or - for standard input" : "name one";
    throw new UsageError(`${flag}: ${what} (${remedy})`);
  }
  const length = opened.info.size;
  return { stream: opened.stream([{ start: 0, end: length }]), length };
}

function headerBytes({ status, headers }: ClientResponse): Uint8Array {
  const lines = [`Status: ${status}`, ...headers.map(([name, value]) => `${name}: ${value}`)];
  // Values have one character for each byte, and leave as they came.
  return Uint8Array.from(`${lines.join("\n")}\n\n`, (character) => character.charCodeAt(0));
}
