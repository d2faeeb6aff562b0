/**
 * Records what real web servers and real applications say to each other, for the fuzz tests beside this
 * file: `bun tests/fuzz/record_captures.ts`, after `npm run build`, as root on Debian with the peers
 * of `npm test`; `bun tests/fuzz/record_captures.ts nginx perl` records those alone. A relay stands between the two and keeps the bytes of both directions; what is
 * written to `captures/` is for the repository, so it is kept short and free of paths of ours.
 */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { apache } from "../fronts/apache.ts";
import { caddy } from "../fronts/caddy.ts";
import { h2o } from "../fronts/h2o.ts";
import { haproxy } from "../fronts/haproxy.ts";
import { lighttpd } from "../fronts/lighttpd.ts";
import { nginx } from "../fronts/nginx.ts";
import { startWebServer, type WebServer } from "../fronts/web_server.ts";
import {
  type Application,
  presetApp,
  sourcePath,
  startApplication,
  startPeer,
} from "../interop/application.ts";
import { go } from "../interop/go.ts";
import { libfcgi } from "../interop/libfcgi.ts";
import { AFCGI, Afcgi } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import { recordsOf } from "./mutations.ts";
import { launchPhpFpm } from "../support/php_fpm.ts";
import { PEER_PATH } from "../support/peers.ts";
import {
  freePlace,
  freePort,
  type Place,
  placeName,
  placeUrl,
  temporaryDirectory,
  waitForListener,
} from "../support/places.ts";
import { type HttpRequest, httpRequest } from "../support/raw_http.ts";

const DIRECTORY = fileURLToPath(new URL("captures/", import.meta.url));

/** A connection that says more is not kept. */
const LENGTH_MAX = 12 * 1024;

/** Connections kept of each pair. */
const CONNECTIONS_MAX = 2;

/** Most web servers have one for each request. */
const WEB_SERVER_CONNECTIONS_MAX = 6;

const WEB_SERVERS: readonly WebServer[] = [nginx, apache, lighttpd, caddy, haproxy, h2o];

/** What of an application matters here. */
type Recorded = Omit<Application, "supports">;

const phpFpm: Recorded = {
  name: "php-fpm",
  peer: "php-fpm",
  prepare(directory) {
    cpSync(sourcePath("php/root"), join(directory, "root"), { recursive: true });
    return Promise.resolve();
  },
  start: (directory, place) => launchPhpFpm({ directory, place, children: 4 }),
  flags: () => undefined,
  config: (directory, place) => ({
    upstreams: { php: { servers: [placeUrl(place)] } },
    sites: [{
      root: join(directory, "root"),
      routes: [{ php: { upstream: "php", front_controller: "/index.php" } }],
    }],
  }),
};

const perl: Recorded = {
  ...presetApp,
  name: "perl",
  peer: "perl",
  prepare: () => Promise.resolve(),
  start: (_directory, place) =>
    startPeer("perl", [sourcePath("perl/app.pl"), place.network, placeName(place)]),
};

const fcgiwrap: Recorded = {
  name: "fcgiwrap",
  peer: "fcgiwrap",
  prepare(directory) {
    copyFileSync(sourcePath("fcgiwrap/app.cgi"), join(directory, "app.cgi"));
    return Promise.resolve();
  },
  start: (_directory, place) =>
    startPeer("fcgiwrap", ["-c", "9", "-s", `unix:${placeName(place)}`]),
  flags: () => undefined,
  config: (directory, place) => ({
    upstreams: { app: { servers: [placeUrl(place)] } },
    sites: [{
      routes: [{
        fastcgi: { upstream: "app", params: { SCRIPT_FILENAME: join(directory, "app.cgi") } },
      }],
    }],
  }),
};

const APPLICATIONS: Readonly<Record<string, Recorded>> = {
  "php-fpm": phpFpm,
  go,
  perl,
  libfcgi,
  fcgiwrap,
};

/** Copies bytes between two sockets and keeps them. */
class Relay {
  readonly connections: { webServer: Buffer[]; application: Buffer[] }[] = [];
  readonly #server = createServer({ allowHalfOpen: true }, (socket) => this.#take(socket));
  readonly #to: Place;

  constructor(to: Place) {
    this.#to = to;
  }

  async listen(place: Place): Promise<void> {
    this.#server.listen(placeName(place));
    await waitForListener(place);
    this.connections.length = 0;
  }

  close(): void {
    this.#server.close();
  }

  /** Writes the connections that said enough and not too much; `directory` is told to nobody. */
  save(name: string, { count = CONNECTIONS_MAX, directory = "", sides = 2 } = {}): void {
    const usable = this.connections.map(({ webServer, application }) => ({
      webServer: withoutPaths(Buffer.concat(webServer), directory),
      application: Buffer.concat(application),
    })).filter(({ webServer, application }) =>
      webServer.length > 0 && webServer.length <= LENGTH_MAX &&
      application.length <= LENGTH_MAX && !usesIdsAgain(webServer)
    );
    assert.ok(usable.length > 0, `${name}: nothing that could be kept`);
    usable.slice(0, count).forEach(({ webServer, application }, index) => {
      writeFileSync(join(DIRECTORY, `${name}-${index + 1}.web_server.bin`), webServer);
      if (sides === 1) return;
      writeFileSync(join(DIRECTORY, `${name}-${index + 1}.application.bin`), application);
    });
  }

  #take(webServer: Socket): void {
    const application = connect({ path: placeName(this.#to), allowHalfOpen: true });
    const kept = { webServer: [] as Buffer[], application: [] as Buffer[] };
    this.connections.push(kept);
    webServer.on("data", (bytes: Buffer) => kept.webServer.push(bytes));
    application.on("data", (bytes: Buffer) => kept.application.push(bytes));
    webServer.pipe(application).pipe(webServer);
    for (const socket of [webServer, application]) socket.on("error", () => {});
  }
}

/** Of web servers: a body that takes several records, and one without a length. */
const UPLOADS: readonly HttpRequest[] = [
  { target: "/echo?upload", method: "POST", body: "0123456789".repeat(900) },
  { target: "/echo?chunked", method: "POST", body: "0123456789".repeat(50), chunked: true },
];

/** Then the second request is only sent behind the first one's response, which no replay waits for. */
function usesIdsAgain(bytes: Buffer): boolean {
  const begun = recordsOf(new Uint8Array(bytes)).filter((record) => record[1] === 1)
    .map((record) => record[2]! * 256 + record[3]!);
  return new Set(begun).size < begun.length;
}

/** With other texts of the same length in the place of our paths, so that all lengths stay right. */
function withoutPaths(bytes: Buffer, directory: string): Buffer {
  const paths = [PEER_PATH, directory].filter((path) => path !== "");
  const text = paths.reduce(
    (so, path) => so.replaceAll(path, "/srv/".padEnd(path.length, "x")),
    bytes.toString("latin1"),
  );
  return Buffer.from(text, "latin1");
}

/** Several requests at once, so that they share connections where that is possible. */
async function askAll(port: number, more: readonly HttpRequest[] = []): Promise<void> {
  const requests: readonly HttpRequest[] = [
    ...more,
    { target: "/hello" },
    { target: "/echo?a=1", method: "POST", body: "a body", headers: { "X-Test": "value" } },
    { target: "/bytes?n=600" },
    { target: "/missing" },
  ];
  for (const response of await Promise.all(requests.map((one) => httpRequest(port, one)))) {
    assert.ok(response.complete);
  }
}

async function recordApplication(name: string, application: Recorded): Promise<void> {
  const directory = temporaryDirectory();
  await application.prepare(directory);
  const place = await freePlace("unix", directory);
  const running = await startApplication(application, directory, place);
  const relay = new Relay(place);
  const between = await freePlace("unix", directory);
  await relay.listen(between);
  const afcgi = await Afcgi.start({ config: application.config(directory, between) });
  await askAll(afcgi.port);
  await afcgi.stop();
  relay.close();
  await running.child.stop();
  relay.save(name);
}

/** Web servers as the documentation has them, with afcgi's responder as the application. */
async function recordWebServer(webServer: WebServer): Promise<void> {
  const directory = temporaryDirectory();
  // Some serve as another user.
  chmodSync(directory, 0o777);
  const place = await freePlace("unix", directory);
  const responder = new Child(AFCGI, ["responder", "--listen", placeUrl(place)]);
  await waitForListener(place);
  const relay = new Relay(place);
  const between = await freePlace("unix", directory);
  await relay.listen(between);
  chmodSync(placeName(between), 0o666);
  const port = await freePort();
  const socket = placeName(between);
  const running = await startWebServer(webServer, directory, { socket, port });
  relay.connections.length = 0;
  await askAll(port, UPLOADS);
  await running.stop();
  relay.close();
  await responder.stop();
  relay.save(webServer.name.toLowerCase(), {
    count: WEB_SERVER_CONNECTIONS_MAX,
    directory,
    // Its ids are not those that an upstream of ours would have given.
    sides: webServer.multiplexes ? 1 : 2,
  });
}

/** All, or those that are named. */
const named = process.argv.slice(2);
const isWanted = (name: string): boolean => named.length === 0 || named.includes(name);

mkdirSync(DIRECTORY, { recursive: true });
for (const [name, application] of Object.entries(APPLICATIONS)) {
  if (isWanted(name)) await recordApplication(name, application);
}
for (const webServer of WEB_SERVERS) {
  if (isWanted(webServer.name.toLowerCase())) await recordWebServer(webServer);
}
process.exit(0);
