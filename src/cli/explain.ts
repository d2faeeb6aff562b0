/**
 * `afcgi explain URL`: what a URL meets, from the configuration that `serve` with the same flags
 * would run. Nothing is sent and nothing is started; files are only looked at.
 */
import { type Command, Option } from "commander";
import {
  explain,
  type ExplainedAttempt,
  type ExplainedRoute,
  type Explanation,
} from "../app/explain.ts";
import type { AppOptions } from "../app/options.ts";
import { isSecretName, MASK } from "../config/secrets.ts";
import {
  type CommandArguments,
  type CommandDefinition,
  type CommandIo,
  ExitStatus,
  print,
  UsageError,
} from "./command.ts";
import { declareConfigFlags, loadFromArguments } from "./config_flags.ts";
import { repeated } from "./flag_values.ts";
import { readHeaderFlags, readMethodFlag, readUrlArgument } from "./http_flags.ts";
import { PROGRAM_VERSION } from "./program_version.ts";
import { spellControls } from "./spelling.ts";

export const explainCommand: CommandDefinition = {
  declare,
  run: runExplain,
};

function declare(command: Command): void {
  command
    .argument("<url>", "URL, or a path for the first site")
    .option("-X, --method <method>", "the request's method", "GET")
    .addOption(
      new Option("-H, --header <field>", 'a header, such as "Accept: text/html" (repeatable)')
        .argParser(repeated),
    )
    .option("--show-secrets", "print passwords and values of ${env.NAME} as they are")
    .option("--json", "as JSON");
  declareConfigFlags(command);
}

/** Status 0 whatever the response would be: telling it has worked. */
async function runExplain(io: CommandIo, args: CommandArguments): Promise<number> {
  const { options } = args;
  const url = args.positional[0]!;
  const method = readMethodFlag(String(options["method"]));
  const headers = readHeaderFlags(options["header"] as readonly string[] | undefined ?? []);
  // What is wrong with the arguments is told before what is wrong with the file.
  readRequest(url, method, new Map(headers));
  const loaded = await loadFromArguments(io, args);
  const request = readRequest(url, method, headers, firstHost(loaded.options));
  const told = await explain(loaded.options, request, {
    runtime: io.runtime,
    version: PROGRAM_VERSION,
  });
  const mask = options["showSecrets"]
    ? (text: string) => text
    : (text: string) => loaded.secrets.mask(text);
  const explanation = options["showSecrets"] ? told : loaded.secrets.maskAll(withoutSecrets(told));
  if (options["json"]) print(io, mask(JSON.stringify(explanation, null, 2)));
  else for (const line of explanationLines(explanation)) print(io, spellControls(mask(line)));
  return ExitStatus.fine;
}

/** A name that leads to the first site; undefined where every name does. */
function firstHost({ sites }: AppOptions): string | undefined {
  const host = sites[0]?.hosts[0];
  return host?.startsWith("*.") ? `any${host.slice(1)}` : host;
}

/** What its name says to be a secret is one, wherever it comes from; a cookie may be a session. */
function withoutSecrets(told: Explanation): Explanation {
  const { application } = told;
  if (application === undefined) return told;
  const parameters = application.parameters.map((parameter) =>
    isSecretName(parameter.name) || parameter.name === "HTTP_COOKIE"
      ? { ...parameter, value: MASK }
      : parameter
  );
  return { ...told, application: { ...application, parameters } };
}

/** Deno makes no Request with them. */
const NEVER_TAKEN = /^(?:TRACE|CONNECT|TRACK)$/i;

const NO_BODY: ReadonlySet<string> = new Set(["GET", "HEAD"]);

function readRequest(
  text: string,
  method: string,
  headers: Map<string, string>,
  pathHost?: string,
): Request {
  const isPath = text.startsWith("/") && pathHost !== undefined;
  const url = readUrlArgument(isPath ? `http://${pathHost}${text}` : text);
  if (NEVER_TAKEN.test(method)) {
    throw new UsageError(`--method: afcgi takes no "${method}" (use another method)`);
  }
  if (!headers.has("host")) headers.set("host", url.host);
  const hasBody = headers.has("content-length") || headers.has("transfer-encoding");
  // Nobody reads it: what is sent is known from its length alone.
  const body = hasBody && !NO_BODY.has(method) ? new ReadableStream<Uint8Array>() : null;
  return new Request(url, { method, headers: [...headers], body, ...(body && { duplex: "half" }) });
}

function explanationLines(explanation: Explanation): string[] {
  const { method, url, listener, protocols, site, routes, application, answer: response, log } =
    explanation;
  const lines = [
    `${method} ${url}`,
    `  comes in at ${listener}, which speaks ${protocols.join(", ")}`,
  ];
  if (site !== undefined) {
    const hosts = site.hosts.join(" ") || "every host";
    lines.push(
      `  site ${site.number}: ${hosts}${site.root === undefined ? "" : `, root ${site.root}`}`,
    );
  }
  lines.push(...routes.flatMap(routeLines));
  if (response !== undefined) {
    lines.push(`  responded here: ${response.status}${response.code ? ` (${response.code})` : ""}`);
    for (const [name, value] of Object.entries(response.headers)) {
      lines.push(`    ${name}: ${value}`);
    }
  }
  lines.push(...log.map((message) => `  logged: ${message}`));
  if (application === undefined) return lines;
  const { upstream, servers, spawn, parameters } = application;
  lines.push(`  sent to upstream ${upstream} at ${servers.join(" ")}`);
  if (spawn !== undefined) {
    const { command, workers } = spawn;
    lines.push(`    started by serve: ${command.join(" ")}, workers: ${workers}`);
  }
  const origins = parameters.map(({ origin }) => origin ?? "gateway");
  const width = Math.max(...origins.map((origin) => origin.length));
  parameters.forEach(({ name, value }, index) => {
    lines.push(`    ${origins[index]!.padEnd(width)}  ${name}=${value}`);
  });
  return lines;
}

function routeLines(route: ExplainedRoute): string[] {
  const { number, path, methods, handler, authorizer, outcome, looks, attempts } = route;
  const matched = [path ?? "every path", ...(methods ? [methods.join(" ")] : [])].join(", ");
  return [
    `  route ${number}: ${handler} for ${matched}: ${outcome}`,
    ...(authorizer === undefined ? [] : [`    if ${authorizer}, an authorizer, lets it in`]),
    ...attempts?.flatMap(attemptLines) ?? looks.map((look) => `    ${look.path}: ${look.found}`),
  ];
}

function attemptLines({ attempt, outcome, looks }: ExplainedAttempt): string[] {
  return [
    `    try ${attempt}: ${outcome}`,
    ...looks.map(({ path, found }) => `      ${path}: ${found}`),
  ];
}
