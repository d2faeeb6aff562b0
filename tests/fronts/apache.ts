/** Apache as documented, by mod_proxy_fcgi: a connection for each request, bodies passed on. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { startServer, type WebServer } from "./web_server.ts";

const MODULES_DIRECTORY = "/usr/lib/apache2/modules";
const MODULES = ["mpm_event", "authz_core"];

function serverConfig(directory: string, port: string, modules: readonly string[]): string {
  const load = [...MODULES, ...modules].map((name) =>
    `LoadModule ${name}_module ${MODULES_DIRECTORY}/mod_${name}.so`
  );
  return `ServerRoot ${directory}
ServerName test.example
DefaultRuntimeDir ${directory}
PidFile ${directory}/apache.pid
ErrorLog ${directory}/apache.log
Listen 127.0.0.1:${port}
${load.join("\n")}
ThreadsPerChild 25
MaxRequestWorkers 400
ServerLimit 16
`;
}

/** With these modules beside those that every Apache has. */
export function startApache(directory: string, config: string, modules: readonly string[]) {
  const path = join(directory, "apache.conf");
  const port = /\*:(\d+)/.exec(config)![1]!;
  const user = process.getuid?.() === 0 ? "User www-data\nGroup www-data\n" : "";
  writeFileSync(path, serverConfig(directory, port, modules) + user + config);
  return startServer("apache2", ["-DFOREGROUND", "-f", path], directory);
}

export const apache: WebServer = {
  name: "Apache",
  peer: "apache",
  chunkedUpload: "streamed",
  abort: "when_writing",
  longHeaders: 200,
  multiplexes: false,
  start: (directory, config) => startApache(directory, config, ["proxy", "proxy_fcgi"]),
};
