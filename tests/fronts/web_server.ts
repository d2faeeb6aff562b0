/**
 * A real web server as the tests see it: how it starts before an application, and what it cannot do.
 * Its configuration is the one that docs/applications.md gives, so what users copy is what was
 * tested. What the tests ask of it is in `common.ts`; each web server is one file beside this one.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Child } from "../support/child.ts";
import { PEER_PATH, type PeerName } from "../support/peers.ts";
import { waitForListener } from "../support/places.ts";

const PAGE = new URL("../../docs/applications.md", import.meta.url);

/** Where the documentation has what a test puts somewhere else. */
const DOCUMENTED: Readonly<Record<keyof WebServerPlaces, string>> = {
  socket: "/run/app.sock",
  port: "8080",
  address: "127.0.0.1:9000",
  root: "/srv/www",
  program: "/usr/local/bin/afcgi",
  directory: "/run/notes",
};

/** What differs between web servers, each asserted as it is. */
export interface WebServerTraits {
  /**
   * A body without a length: `whole` is gathered first and gets one, `streamed` passes without, a
   * long one is `refused`.
   */
  readonly chunkedUpload: "whole" | "streamed" | "refused";
  /** The application hears of a client that left: `at_once`, or when it sends the next piece. */
  readonly abort: "at_once" | "when_writing" | "never";
  /** Status of a request with 70 kB of headers. */
  readonly longHeaders: 200 | 400 | 413 | 431 | 500;
  /** Whether requests share a connection. */
  readonly multiplexes: boolean;
}

export interface WebServer extends WebServerTraits {
  /** As test names say it, and as the documentation's headings. */
  readonly name: string;
  readonly peer: PeerName | undefined;
  /** Writes what it needs into `directory` and starts; `config` is the documented one. */
  start(directory: string, config: string): Child;
}

/** Where the application and the web server are in a test. */
export interface WebServerPlaces {
  readonly socket?: string;
  /** The web server's. */
  readonly port: number;
  /** Of an application over TCP. */
  readonly address?: string;
  /** The web server's own files. */
  readonly root?: string;
  /** Starts the application. */
  readonly program?: string;
  /** Of the sockets of several processes. */
  readonly directory?: string;
}

/** The first block of code below a heading of docs/applications.md, for these places. */
export function documentedConfig(heading: string, places: WebServerPlaces): string {
  const page = readFileSync(PAGE, "utf8");
  const section = page.split(/^### /m).find((part) => part.startsWith(`${heading}\n`));
  const block = section && /^```\w+\n(.*?)^```$/ms.exec(section)?.[1];
  assert.ok(block, `docs/applications.md has no configuration below "### ${heading}"`);
  return Object.entries(places).reduce((config, [name, here]) => {
    const documented = DOCUMENTED[name as keyof WebServerPlaces];
    assert.ok(config.includes(documented), `No "${documented}" below "### ${heading}"`);
    return config.replaceAll(documented, String(here));
  }, block);
}

/** Starts a web server as documented; resolves when it takes connections. */
export async function startWebServer(
  webServer: Pick<WebServer, "name" | "start">,
  directory: string,
  places: WebServerPlaces,
): Promise<Child> {
  const child = webServer.start(directory, documentedConfig(webServer.name, places));
  await Promise.race([
    waitForListener({ network: "tcp", host: "127.0.0.1", port: places.port }),
    child.exited.then((exit) => {
      const output = [...child.stdout.lines, ...child.stderr.lines].join("\n");
      throw new Error(`${webServer.name} ended with status ${exit.code}:\n${output}`);
    }),
  ]);
  return child;
}

/** One of the machine's programs in the foreground. */
export function startServer(program: string, args: readonly string[], home: string): Child {
  return new Child(program, args, {
    env: { PATH: PEER_PATH, HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home },
    cwd: home,
    group: true,
  });
}
