/** The proxies that are compared, and the applications behind them. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Afcgi } from "../tests/support/afcgi.ts";
import { Child } from "../tests/support/child.ts";
import { PEER_PATH } from "../tests/support/peers.ts";
import { startPhpFpm } from "../tests/support/php_fpm.ts";
import { freePlace, freePort, type Place, waitForListener } from "../tests/support/places.ts";

export const FPM_CHILDREN = 8;

/** A running proxy. */
export interface Contender {
  readonly name: string;
  readonly pid: number;
  readonly url: string;
  stop(): Promise<void>;
}

/** The multiplexing application, compiled into `folder`. */
export async function startResponder(folder: string): Promise<{ child: Child; place: Place }> {
  const program = join(folder, "responder");
  const source = fileURLToPath(new URL("responder.c", import.meta.url));
  const compiler = new Child("cc", ["-O2", "-o", program, source]);
  const { code } = await compiler.exited;
  if (code !== 0) throw new Error(`Cannot compile: ${compiler.stderr.lines.join("\n")}`);
  const place = await freePlace("unix", folder);
  const child = new Child(program, [place.network === "unix" ? place.path : ""]);
  await waitForListener(place);
  return { child, place };
}

/** php-fpm with one script; each proxy gets its own, because kept connections hold its children. */
export async function startPhp(folder: string): Promise<{ child: Child; place: Place }> {
  mkdirSync(join(folder, "root"), { recursive: true });
  writeFileSync(join(folder, "root", "index.php"), '<?php echo "hello world\\n";\n');
  const place = await freePlace("unix", folder);
  return { child: await startPhpFpm({ folder, place, children: FPM_CHILDREN }), place };
}

export interface NginxOptions {
  readonly name: string;
  readonly folder: string;
  readonly place: Place;
  /** Connections to the application that are kept; 0: none. */
  readonly keepalive: number;
  /** Set: every path is this script. */
  readonly script?: string;
}

export async function startNginx(options: NginxOptions): Promise<Contender> {
  const port = await freePort();
  const prefix = join(options.folder, `nginx-${port}`);
  mkdirSync(prefix, { recursive: true });
  const config = join(prefix, "nginx.conf");
  writeFileSync(config, nginxConfig(options, prefix, port));
  const child = new Child("nginx", ["-p", prefix, "-c", config, "-e", join(prefix, "error.log")], {
    env: { PATH: PEER_PATH },
  });
  await waitForListener({ network: "tcp", host: "127.0.0.1", port });
  return {
    name: options.name,
    pid: child.pid,
    url: `http://127.0.0.1:${port}/`,
    stop: async () => void await child.stop("SIGQUIT"),
  };
}

/** What a careful administrator sets for speed; the parameters are those of `fastcgi_params`. */
function nginxConfig(options: NginxOptions, prefix: string, port: number): string {
  const path = options.place.network === "unix" ? options.place.path : "";
  const { keepalive, script } = options;
  const temporary = ["client_body", "fastcgi", "proxy", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${prefix}/${name};`).join("\n  ");
  return `
${process.getuid?.() === 0 ? "user root;" : ""}
worker_processes 1;
daemon off;
pid ${prefix}/pid;
events { worker_connections 4096; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  ${temporary}
  upstream app {
    server unix:${path};
    ${keepalive > 0 ? `keepalive ${keepalive}; keepalive_requests 1000000000;` : ""}
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      fastcgi_pass app;
      fastcgi_keep_conn ${keepalive > 0 ? "on" : "off"};
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param SCRIPT_NAME ${script === undefined ? "$fastcgi_script_name" : "/index.php"};
      ${script === undefined ? "" : `fastcgi_param SCRIPT_FILENAME ${script};`}
      fastcgi_param REQUEST_URI $request_uri;
      fastcgi_param DOCUMENT_URI $document_uri;
      fastcgi_param DOCUMENT_ROOT $document_root;
      fastcgi_param SERVER_PROTOCOL $server_protocol;
      fastcgi_param REQUEST_SCHEME $scheme;
      fastcgi_param GATEWAY_INTERFACE CGI/1.1;
      fastcgi_param SERVER_SOFTWARE nginx/$nginx_version;
      fastcgi_param REMOTE_ADDR $remote_addr;
      fastcgi_param REMOTE_PORT $remote_port;
      fastcgi_param SERVER_ADDR $server_addr;
      fastcgi_param SERVER_PORT $server_port;
      fastcgi_param SERVER_NAME $server_name;
      fastcgi_param REDIRECT_STATUS 200;
    }
  }
}
`;
}

export interface AfcgiContenderOptions {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
}

export async function startAfcgi({ name, config }: AfcgiContenderOptions): Promise<Contender> {
  const afcgi = await Afcgi.start({ config: { ...config, log: { access: "off" } } });
  return {
    name,
    pid: afcgi.child.pid,
    url: `http://127.0.0.1:${afcgi.port}/`,
    stop: () => afcgi.stop(),
  };
}
