/**
 * One request to a server, and what of its response counts: who made it, what a script was told,
 * where a redirect leads, and the headers that a configuration speaks of.
 */
import { connect as connectTls } from "node:tls";
import { HttpConnection, type HttpResponse } from "../../support/raw_http.ts";
import type { Application, CorpusRequest } from "./application.ts";

/** What a script was told, and who it is. */
export const SCRIPT = `<?php
if (isset($_GET["status"])) http_response_code((int) $_GET["status"]);
if (isset($_GET["accel"])) header("X-Accel-Redirect: " . $_GET["accel"]);
echo "ran ", __FILE__, "\\n";
echo "BODY=", strlen(file_get_contents("php://input")), "\\n";
foreach ($_SERVER as $name => $value) if (is_string($value)) echo $name, "=", $value, "\\n";
`;

/** Parameters that are compared, whether or not the configuration names them. */
const PARAMETERS = new Set([
  "BODY",
  "SCRIPT_FILENAME",
  "SCRIPT_NAME",
  "PATH_INFO",
  "QUERY_STRING",
  "REQUEST_URI",
  "REQUEST_METHOD",
  "DOCUMENT_ROOT",
  "CONTENT_LENGTH",
  "CONTENT_TYPE",
  "REDIRECT_STATUS",
  "REMOTE_ADDR",
  "REMOTE_USER",
  "SERVER_NAME",
  "SERVER_PROTOCOL",
  "HTTPS",
  "HTTP_HOST",
  "HTTP_PROXY",
  "method",
  "url",
  "body",
]);

/** Headers whose values are compared. */
const HEADERS =
  /^(?:content-type|cache-control|content-encoding|content-security-policy|pragma|referrer-policy|strict-transport-security|www-authenticate|x-.*)$/;

const TYPES: Readonly<Record<string, string>> = {
  "application/javascript": "text/javascript",
  "application/x-javascript": "text/javascript",
  "image/x-icon": "image/vnd.microsoft.icon",
  "application/xml": "text/xml",
  "audio/x-m4a": "audio/mp4",
};

export interface Exchange {
  readonly status: number;
  /** `script FILE`, `file FILE`, `proxied` or nothing. */
  readonly maker: string;
  readonly location: string;
  readonly values: ReadonlyMap<string, string>;
  readonly headers: ReadonlyMap<string, string>;
  readonly isSource: boolean;
}

export interface Target {
  readonly port: number;
  readonly usesTls: boolean;
}

export async function exchange(
  { port, usesTls }: Target,
  request: CorpusRequest,
  directory: string,
): Promise<Exchange> {
  const connection = usesTls ? await openTls(port) : await HttpConnection.open(port);
  try {
    await connection.send({
      target: request.target,
      method: request.method,
      headers: request.headers,
      ...(request.body !== undefined && { body: request.body }),
    });
    return read(await connection.readResponse(request.method), request, directory, usesTls);
  } finally {
    connection.destroy();
  }
}

function openTls(port: number): Promise<HttpConnection> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      socket.off("error", reject);
      resolve(HttpConnection.over(socket));
    });
  });
}

/** The status of an upgrade, and the first line that comes over it. */
export async function upgrade(
  { port, usesTls }: Target,
  target: string,
  host: string,
): Promise<string> {
  const connection = usesTls ? await openTls(port) : await HttpConnection.open(port);
  try {
    await connection.send({
      target,
      headers: {
        Host: host,
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
      },
    });
    const { status } = await connection.readAnyHeaders();
    if (status !== 101) return String(status);
    await connection.write("hello\n");
    return `101 ${await connection.readUntil("\n")}`;
  } finally {
    connection.destroy();
  }
}

function read(
  response: HttpResponse,
  request: CorpusRequest,
  directory: string,
  usesTls: boolean,
): Exchange {
  const text = response.body.toString().replaceAll(directory, "");
  const [first = ""] = text.split("\n");
  const maker = /^ran (.*)/.exec(first)?.[1] ?? "";
  const file = /^content of (.*)/.exec(first)?.[1] ?? "";
  const isProxied = first === "proxied";
  const values = new Map<string, string>();
  for (const line of maker || isProxied ? text.split("\n").slice(1) : []) {
    const [name = ""] = line.split("=", 1);
    values.set(name, line.slice(name.length + 1));
  }
  return {
    status: response.status,
    maker: maker ? `script ${maker}` : file ? `file ${file}` : isProxied ? "proxied" : "",
    location: locationOf(response, request, usesTls),
    values,
    headers: response.headers,
    isSource: text.includes("<?php"),
  };
}

/** Without scheme and host where they are the request's. */
function locationOf(
  { headers }: HttpResponse,
  request: CorpusRequest,
  usesTls: boolean,
): string {
  const location = headers.get("location");
  if (location === undefined) return "";
  const host = request.headers["Host"] ?? "";
  const scheme = usesTls ? "https:" : "http:";
  const url = new URL(location, `${scheme}//${host}`);
  const isOwn = url.hostname === host && url.protocol === scheme;
  return `${isOwn ? "" : `${url.protocol}//${url.hostname}`}${url.pathname}${url.search}`;
}

/** Undefined where nothing of it differs, else what nginx does, and what is done here. */
export function differenceOf(
  nginx: Exchange,
  ours: Exchange,
  { target }: CorpusRequest,
  named: ReadonlySet<string>,
): string | undefined {
  const [theirs, here] = [summary(nginx, target), summary(ours, target)];
  if (theirs !== here) return `${theirs}, here ${here}`;
  const found: string[] = [];
  for (const name of new Set([...nginx.values.keys(), ...ours.values.keys()])) {
    if (!PARAMETERS.has(name) && !named.has(name)) continue;
    const [one = "", other = ""] = [nginx.values.get(name), ours.values.get(name)];
    if (one !== other) found.push(`${name}=${one}, here ${other}`);
  }
  if ((nginx.status < 400 && theirs !== SLASH) || nginx.status === 401) {
    found.push(...headersThatDiffer(nginx, ours));
  }
  return found.length === 0 ? undefined : found.join("; ");
}

const SLASH = "to its slash";

/** A directory's path gets its slash with 301 there and with 308 here: the method stays. */
function summary({ status, maker, location }: Exchange, target: string): string {
  const [path, query] = target.split("?");
  const isSlash = location === `${path}/${query ? `?${query}` : ""}`;
  if (isSlash && (status === 301 || status === 308)) return SLASH;
  return [status, maker, location].filter((part) => part !== "").join(" ");
}

function headersThatDiffer(nginx: Exchange, ours: Exchange): string[] {
  const found: string[] = [];
  for (const name of new Set([...nginx.headers.keys(), ...ours.headers.keys()])) {
    if (!HEADERS.test(name) || (nginx.status === 401 && name !== "www-authenticate")) continue;
    if (name === "content-type" && !saysType(nginx)) continue;
    const one = comparable(name, nginx.headers.get(name) ?? "");
    const other = comparable(name, ours.headers.get(name) ?? "");
    if (one !== other) found.push(`header ${name} "${one}", here "${other}"`);
  }
  return found;
}

/** nginx has a type for what it does not know, and pages of its own for redirects. */
function saysType({ status, headers }: Exchange): boolean {
  return status === 200 &&
    !/^(?:application\/octet-stream|text\/plain)/.test(headers.get("content-type") ?? "");
}

function comparable(name: string, value: string): string {
  if (name === "content-type") {
    const [type = ""] = value.split(";");
    return TYPES[type] ?? type;
  }
  if (name === "www-authenticate") return value.replace(/, charset=.*/, "");
  return value.split(/,\s*/).filter((part) => part !== "").sort().join(", ");
}

/** Names of what the configuration itself tells scripts, and servers that it passes requests to. */
export function namedBy({ config }: Application): ReadonlySet<string> {
  // Each server of a test has ports of its own.
  const names = [...config.matchAll(/(?:fastcgi_param|proxy_set_header)\s+([\w-]+)/g)];
  return new Set(
    names.filter(([, name]) => name !== "SERVER_PORT").map(([, name = ""]) =>
      name.includes("-") ? name.toLowerCase() : name
    ),
  );
}
