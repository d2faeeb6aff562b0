/**
 * Records what real web servers and real applications say to each other, for the fuzz tests beside this
 * file: `bun tests/fuzz/record_captures.ts`, after `npm run build`, as root on Debian with the peers
 * of `npm test`. A relay stands between the two and keeps the bytes of both directions; what is
 * written to `captures/` is for the repository, so it is kept short and free of paths of ours.
 */
import assert from "node:assert/strict";
import { copyFileSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
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
import { PEER_PATH } from "../support/peers.ts";
import { launchPhpFpm } from "../support/php_fpm.ts";
import {
  freePlace,
  freePort,
  type Place,
  placeName,
  placeUrl,
  temporaryDirectory,
  waitForListener,
} from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

const DIRECTORY = fileURLToPath(new URL("captures/", import.meta.url));

/** A connection that says more is not kept. */
const LENGTH_MAX = 12 * 1024;

/** Connections kept of each pair. */
const CONNECTIONS_MAX = 2;

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

  /** Writes the connections that said enough and not too much. */
  save(name: string): void {
    const usable = this.connections.map(({ webServer, application }) => ({
      webServer: Buffer.concat(webServer),
      application: Buffer.concat(application),
    })).filter(({ webServer, application }) =>
      webServer.length > 0 && webServer.length <= LENGTH_MAX && application.length <= LENGTH_MAX
    );
    assert.ok(usable.length > 0, `${name}: nothing that could be kept`);
    usable.slice(0, CONNECTIONS_MAX).forEach(({ webServer, application }, index) => {
      writeFileSync(join(DIRECTORY, `${name}-${index + 1}.web_server.bin`), webServer);
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

/** Several requests at once, so that they share connections where that is possible. */
async function askAll(port: number): Promise<void> {
  const requests = [
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

/** nginx is the web server here, and afcgi's responder the application. */
async function recordNginx(): Promise<void> {
  const directory = temporaryDirectory();
  const place = await freePlace("unix", directory);
  const responder = new Child(AFCGI, ["responder", "--listen", placeUrl(place)]);
  await waitForListener(place);
  const relay = new Relay(place);
  const between = await freePlace("unix", directory);
  await relay.listen(between);
  const port = await freePort();
  for (const name of ["body", "fastcgi"]) mkdirSync(join(directory, name));
  const config = join(directory, "nginx.conf");
  writeFileSync(config, nginxConfig(directory, port, between));
  const nginx = new Child("nginx", ["-c", config, "-p", directory, "-e", "stderr"], {
    env: { PATH: PEER_PATH },
  });
  await waitForListener({ network: "tcp", host: "127.0.0.1", port });
  await askAll(port);
  await nginx.stop();
  relay.close();
  await responder.stop();
  relay.save("nginx");
}

function nginxConfig(directory: string, port: number, application: Place): string {
  return `daemon off; master_process off; worker_processes 1; pid ${join(directory, "nginx.pid")};
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path ${join(directory, "body")};
  fastcgi_temp_path ${join(directory, "fastcgi")};
  proxy_temp_path ${directory}/proxy; uwsgi_temp_path ${directory}/uwsgi; scgi_temp_path ${directory}/scgi;
  upstream app { server unix:${placeName(application)}; keepalive 1; }
  server {
    listen 127.0.0.1:${port};
    location / {
      include /etc/nginx/fastcgi_params;
      fastcgi_keep_conn on;
      fastcgi_pass app;
    }
  }
}
`;
}

mkdirSync(DIRECTORY, { recursive: true });
for (const [name, application] of Object.entries(APPLICATIONS)) {
  await recordApplication(name, application);
}
await recordNginx();
process.exit(0);
