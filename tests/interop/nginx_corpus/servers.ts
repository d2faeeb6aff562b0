/**
 * nginx with a configuration of the corpus, and the HTTP server that some of them have beside PHP.
 * A configuration is the one that is written, with other places: ports, directories and sockets.
 */
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { startServer } from "../../fronts/web_server.ts";
import { selfSigned } from "../../support/certificates.ts";
import type { Child } from "../../support/child.ts";
import { freePort, waitForListener } from "../../support/places.ts";

/** What all applications of a run share. */
export interface World {
  readonly directory: string;
  readonly socket: string;
  readonly certificate: { readonly certPath: string; readonly keyPath: string };
  readonly httpPort: number;
}

/** The port that stands for each one of a configuration. */
export type Ports = ReadonlyMap<number, number>;

/** anna's password is "secret". */
const HTPASSWD = "anna:$apr1$saltsalt$LrttParrLPdxvgutaSXWJ0\n";

export async function makeWorld(directory: string): Promise<World & { close(): void }> {
  for (const name of ["conf", "logs", "cache", "srv"]) mkdirSync(join(directory, name));
  for (const name of ["fastcgi_params", "fastcgi.conf", "mime.types", "snippets"]) {
    cpSync(join("/etc/nginx", name), join(directory, "conf", name), { recursive: true });
  }
  writeFileSync(join(directory, "htpasswd"), HTPASSWD);
  const { port, close } = await startHttp();
  const certificate = selfSigned("/CN=corpus.example");
  return { directory, socket: join(directory, "fpm.sock"), certificate, httpPort: port, close };
}

export async function freePorts(config: string): Promise<Ports> {
  const written = [...config.matchAll(/^\s*listen [^;]*?(\d+)[ ;]/gm)].map(([, port]) => +port!);
  const ports = new Map<number, number>();
  for (const port of new Set(written)) ports.set(port, await freePort());
  return ports;
}

/** The configuration in a world; everywhere is what it says itself, else this machine alone. */
export function placed(config: string, world: World, ports: Ports, isEverywhere: boolean): string {
  const { directory, socket, certificate, httpPort } = world;
  const text = config
    .replaceAll("/srv/", `${directory}/srv/`)
    .replaceAll("/var/log/nginx/", `${directory}/logs/`)
    .replaceAll("/var/cache/", `${directory}/cache/`)
    .replaceAll("/etc/nginx/htpasswd", `${directory}/htpasswd`)
    .replaceAll("/etc/ssl/site.crt", certificate.certPath)
    .replaceAll("/etc/ssl/site.key", certificate.keyPath)
    .replaceAll("unix:/run/php/fpm.sock", `unix:${socket}`)
    .replaceAll("127.0.0.1:9000", `unix:${socket}`)
    .replaceAll("127.0.0.1:8080", `127.0.0.1:${httpPort}`);
  // nginx of Debian 12 has no directive http2 yet.
  const lines = isEverywhere ? text : text.replaceAll(/^\s*(?:listen \[::\]|http2 on).*\n/gm, "");
  return lines.replaceAll(/^(\s*listen (?:\[::\]:)?)(\d+)/gm, (_all, before, port) => {
    return `${before}${isEverywhere ? "" : "127.0.0.1:"}${ports.get(Number(port))}`;
  });
}

export async function startNginx(
  name: string,
  config: string,
  { directory }: World,
  ports: Ports,
): Promise<Child> {
  const temporary = ["client_body", "fastcgi", "proxy", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${directory}/cache/nginx-${kind};\n`).join("");
  const main = join(directory, "conf", `${name}.nginx.conf`);
  const user = process.getuid?.() === 0 ? "user root;\n" : "";
  writeFileSync(join(directory, "conf", `${name}.placed.conf`), config);
  writeFileSync(
    main,
    `${user}daemon off;\npid ${directory}/${name}.pid;\nworker_processes 1;\nevents {}\n` +
      `http {\naccess_log off;\ninclude mime.types;\n${temporary}` +
      `include ${name}.placed.conf;\n}\n`,
  );
  const child = startServer("nginx", ["-e", "stderr", "-p", directory, "-c", main], directory);
  for (const port of ports.values()) {
    await Promise.race([
      waitForListener({ network: "tcp", host: "127.0.0.1", port }),
      child.exited.then(() => {
        throw new Error(`nginx ended:\n${child.stderr.lines.join("\n")}`);
      }),
    ]);
  }
  return child;
}

/** Says what it was asked, upgrades to an echo, and lets in who has `X-Allow: yes`. */
async function startHttp(): Promise<{ port: number; close(): void }> {
  const server = createServer((request, response) => {
    let length = 0;
    request.on("data", (bytes: Uint8Array) => length += bytes.length);
    request.on("end", () => {
      const { method, url = "", headers } = request;
      if (url.startsWith("/api/verify")) {
        const isAllowed = headers["x-allow"] === "yes";
        response.writeHead(isAllowed ? 200 : 401, isAllowed ? { "Remote-User": "anna" } : {});
        response.end();
        return;
      }
      response.setHeader("Content-Type", "text/plain");
      const told = Object.entries(headers).map(([name, value]) => `${name}=${value}\n`);
      response.end(`proxied\nmethod=${method}\nurl=${url}\nbody=${length}\n${told.join("")}`);
    });
  });
  server.on("upgrade", (request, socket) => {
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    socket.on("data", (bytes: Uint8Array) => socket.end(`${request.url} ${bytes}`));
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
