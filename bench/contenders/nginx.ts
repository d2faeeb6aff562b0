/**
 * nginx: one worker where a case does not ask for more, kept connections on both sides, no temporary files on the way of a response.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  CLIENTS_MAX,
  type Contender,
  type ProxySetup,
  REQUESTS_UNLIMITED,
  tlsFiles,
} from "./contender.ts";

export const nginx: Contender = {
  name: "nginx",
  title: "nginx",
  peer: "nginx",
  servesFiles: true,
  command(setup) {
    const config = join(setup.directory, "nginx.conf");
    writeFileSync(config, configText(setup));
    const args = ["-p", setup.directory, "-c", config, "-e", join(setup.directory, "error.log")];
    return { program: "nginx", args, stopSignal: "SIGTERM" };
  },
};

function configText(setup: ProxySetup): string {
  const { directory, port, accessLog } = setup;
  const temporary = ["client_body", "fastcgi", "proxy", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${directory}/${name};`).join("\n  ");
  return `
${process.getuid?.() === 0 ? "user root;" : ""}
worker_processes ${setup.threads ?? 1};
daemon off;
pid ${directory}/pid;
events { worker_connections ${2 * CLIENTS_MAX}; }
http {
  access_log ${accessLog === undefined ? "off" : `${accessLog} combined buffer=64k flush=1s`};
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  open_file_cache max=1000;
  keepalive_requests ${REQUESTS_UNLIMITED};
  client_max_body_size 0;
  ${temporary}
  ${setup.isCompressed ? "gzip on; gzip_comp_level 5; gzip_proxied any;" : ""}
  ${upstream(setup)}
  server {
    listen 127.0.0.1:${port} ${overListener(setup)} reuseport backlog=4096;
    ${tls(setup)}
    location / {
      ${setup.application === undefined ? `root ${setup.root};` : fastCgi(setup)}
    }
  }
}
`;
}

function overListener({ isTls, protocol }: ProxySetup): string {
  return [isTls ? "ssl" : "", protocol === "HTTP/2" ? "http2" : ""].join(" ");
}

function tls(setup: ProxySetup): string {
  if (!setup.isTls) return "";
  const { cert, key } = tlsFiles(setup);
  return `ssl_certificate ${cert}; ssl_certificate_key ${key};`;
}

function upstream({ application, kept }: ProxySetup): string {
  if (application === undefined) return "";
  const keepalive = `keepalive ${kept}; keepalive_requests ${REQUESTS_UNLIMITED};`;
  return `upstream app { server unix:${application.place.path}; ${kept > 0 ? keepalive : ""} }`;
}

/** The parameters are those of nginx's own `fastcgi_params`. */
function fastCgi({ application, kept, root }: ProxySetup): string {
  const isPhp = application?.root !== undefined;
  return `
      fastcgi_pass app;
      fastcgi_keep_conn ${kept > 0 ? "on" : "off"};
      fastcgi_buffer_size 16k;
      fastcgi_buffers 16 16k;
      fastcgi_max_temp_file_size 0;
      fastcgi_request_buffering off;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param SCRIPT_NAME $fastcgi_script_name;
      ${isPhp ? `fastcgi_param SCRIPT_FILENAME ${root}$fastcgi_script_name;` : ""}
      fastcgi_param REQUEST_URI $request_uri;
      fastcgi_param DOCUMENT_URI $document_uri;
      fastcgi_param DOCUMENT_ROOT ${root};
      fastcgi_param SERVER_PROTOCOL $server_protocol;
      fastcgi_param REQUEST_SCHEME $scheme;
      fastcgi_param GATEWAY_INTERFACE CGI/1.1;
      fastcgi_param SERVER_SOFTWARE nginx/$nginx_version;
      fastcgi_param REMOTE_ADDR $remote_addr;
      fastcgi_param REMOTE_PORT $remote_port;
      fastcgi_param SERVER_ADDR $server_addr;
      fastcgi_param SERVER_PORT $server_port;
      fastcgi_param SERVER_NAME $server_name;
      fastcgi_param REDIRECT_STATUS 200;`;
}
