/** nginx as documented: no multiplexing, connections kept, bodies gathered first. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startServer, type WebServer } from "./web_server.ts";

export const nginx: WebServer = {
  name: "nginx",
  peer: "nginx",
  chunkedUpload: "whole",
  abort: "at_once",
  longHeaders: 500,
  multiplexes: false,
  start(directory, config) {
    const path = join(directory, "nginx.conf");
    writeFileSync(
      path,
      `daemon off;
pid ${directory}/nginx.pid;
events { worker_connections 1024; }
http {
access_log off;
client_body_temp_path ${directory}/nginx-body;
fastcgi_temp_path ${directory}/nginx-fastcgi;
proxy_temp_path ${directory}/nginx-proxy;
uwsgi_temp_path ${directory}/nginx-uwsgi;
scgi_temp_path ${directory}/nginx-scgi;
${config}}
`,
    );
    return startServer("nginx", ["-e", "stderr", "-p", directory, "-c", path], directory);
  },
};
