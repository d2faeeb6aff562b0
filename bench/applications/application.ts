/** The applications behind the proxies. Each start is a process of its own on a new unix socket. */
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Place, waitForListener } from "../../tests/support/places.ts";
import { benchFile, type Scope } from "../scope.ts";
import { compile } from "./compile.ts";

export interface Application {
  readonly pid: number;
  readonly place: Place & { readonly network: "unix" };
  /** The directory of scripts; undefined where the application is not made of files. */
  readonly root?: string;
  /** Requests that it takes side by side on one connection; 1: it does not multiplex. */
  readonly streams: number;
}

export type StartApplication = (scope: Scope) => Promise<Application>;

const STREAMS = 16_384;
const NODE_FASTCGI = "node-fastcgi@2.0.0";

/** What `bun` and `deno` of node_modules are, seen from here. */
const TOOLS = fileURLToPath(new URL("../../node_modules/.bin/", import.meta.url));

export interface ResponderOptions {
  /** A file whose content is the body, as HTML; in place of a length. */
  readonly page?: string;
  /** Bytes of each response's body. */
  readonly length?: number;
  /** `?bytes=N` asks for another length. */
  readonly byQuery?: boolean;
}

/** The C responder: one thread on epoll, multiplexes. */
export function cResponder({ length = 12, page, byQuery = false }: ResponderOptions = {}) {
  return async (scope: Scope): Promise<Application> => {
    const program = await compile("applications/responder.c");
    return await startOn(scope, (path) => [
      program,
      path,
      page ?? String(length),
      ...(byQuery ? ["query"] : []),
    ]);
  };
}

/** Go's net/http/fcgi, which multiplexes. */
export async function goApplication(scope: Scope): Promise<Application> {
  const program = await compile("applications/application.go");
  return await startOn(scope, (path) => [program, path]);
}

/** `serveFastCgi` on one of the runtimes. */
export function fetchHandler(runtime: "bun" | "deno") {
  const source = benchFile("applications/fetch_handler.ts");
  const args = runtime === "bun" ? [] : ["run", "-A", "--no-check"];
  return (scope: Scope): Promise<Application> =>
    startOn(scope, (path) => [join(TOOLS, runtime), ...args, source, path]);
}

/**
 * node-fastcgi, installed into the scope's directory: nothing but this case uses it, so that it has no
 * place among the packages that everybody installs.
 */
export async function nodeFastCgi(scope: Scope): Promise<Application> {
  const directory = scope.newDirectory("node-fastcgi");
  const args = ["install", "--prefix", directory, "--no-audit", "--no-fund", "--ignore-scripts"];
  await scope.run("npm", [...args, NODE_FASTCGI]);
  const env = { NODE_PATH: join(directory, "node_modules") };
  return await startOn(
    scope,
    (path) => ["node", benchFile("applications/node_fastcgi.cjs"), path],
    env,
  );
}

async function startOn(
  scope: Scope,
  command: (path: string) => readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Application> {
  const place = { network: "unix", path: join(scope.newDirectory("app"), "app.sock") } as const;
  const [program, ...args] = command(place.path);
  const child = scope.start(program!, args, { env });
  await waitForListener(place);
  // Apache's children, which must not be root's, connect too.
  chmodSync(place.path, 0o777);
  return { pid: child.pid, place, streams: STREAMS };
}
