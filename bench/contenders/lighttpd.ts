/** lighttpd: one process. Its mod_fastcgi opens a connection for each request. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CLIENTS_MAX, type Contender, type ProxySetup, REQUESTS_UNLIMITED } from "./contender.ts";

export const lighttpd: Contender = {
  name: "lighttpd",
  title: "lighttpd",
  peer: "lighttpd",
  servesFiles: true,
  command(setup) {
    const config = join(setup.directory, "lighttpd.conf");
    mkdirSync(join(setup.directory, "uploads"));
    writeFileSync(config, configText(setup));
    return { program: "lighttpd", args: ["-D", "-f", config] };
  },
};

function configText(setup: ProxySetup): string {
  const { directory, port, accessLog, root } = setup;
  const modules = [
    ...(setup.application === undefined ? [] : ["mod_fastcgi"]),
    ...(accessLog === undefined ? [] : ["mod_accesslog"]),
  ];
  return `
server.modules = (${modules.map((name) => `"${name}"`).join(", ")})
server.document-root = "${root}"
server.bind = "127.0.0.1"
server.port = ${port}
server.errorlog = "${directory}/error.log"
server.upload-dirs = ("${directory}/uploads")
server.listen-backlog = 4096
server.max-fds = ${2 * CLIENTS_MAX}
server.max-connections = ${CLIENTS_MAX}
server.max-keep-alive-requests = ${REQUESTS_UNLIMITED}
server.max-keep-alive-idle = 60
server.stream-response-body = 1
server.stream-request-body = 1
${accessLog === undefined ? "" : `accesslog.filename = "${accessLog}"`}
${fastCgi(setup)}
`;
}

function fastCgi({ application }: ProxySetup): string {
  if (application === undefined) return "";
  const php = application.root !== undefined;
  return `fastcgi.server = ("${php ? ".php" : "/"}" => ((
  "socket" => "${application.place.path}",
  "check-local" => "disable",
  ${php ? "" : '"fix-root-scriptname" => "enable",'}
)))`;
}
