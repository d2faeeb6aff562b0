/** Apache: mod_proxy_fcgi on the event MPM, one process with threads. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Contender, ProxySetup } from "./contender.ts";

const MODULES_DIRECTORY = "/usr/lib/apache2/modules";
const MODULES = ["mpm_event", "authz_core", "proxy", "proxy_fcgi"] as const;

/** More than requests under way in most cases: when all are busy, Apache closes idle connections. */
const THREADS = 256;

/** Connections per thread that may wait for their next request. */
const ASYNC_FACTOR = 64;

export const apache: Contender = {
  name: "apache",
  title: "Apache",
  peer: "apache",
  servesFiles: true,
  command(setup) {
    const config = join(setup.directory, "apache.conf");
    writeFileSync(config, configText(setup));
    return { program: "apache2", args: ["-DFOREGROUND", "-d", setup.directory, "-f", config] };
  },
};

function configText(setup: ProxySetup): string {
  const { directory, port, accessLog, root } = setup;
  return `
${MODULES.map((name) => `LoadModule ${name}_module ${MODULES_DIRECTORY}/mod_${name}.so`).join("\n")}
ServerName 127.0.0.1
Listen 127.0.0.1:${port}
ListenBacklog 4096
PidFile ${directory}/pid
DefaultRuntimeDir ${directory}
Mutex posixsem
${process.getuid?.() === 0 ? "User www-data\nGroup www-data" : ""}
ErrorLog ${directory}/error.log
ServerLimit 1
StartServers 1
ThreadLimit ${THREADS}
ThreadsPerChild ${THREADS}
MaxRequestWorkers ${THREADS}
MinSpareThreads 1
MaxSpareThreads ${THREADS}
AsyncRequestWorkerFactor ${ASYNC_FACTOR}
KeepAlive On
KeepAliveTimeout 60
MaxKeepAliveRequests 0
EnableSendfile On
${accessLog === undefined ? "" : `BufferedLogs On\nCustomLog ${accessLog} "${LOG_FORMAT}"`}
DocumentRoot ${root}
<Directory ${root}>
  Require all granted
</Directory>
${proxy(setup)}
`;
}

const LOG_FORMAT = '%h %l %u %t \\"%r\\" %>s %b \\"%{Referer}i\\" \\"%{User-Agent}i\\"';

function proxy({ application, kept, connectionsMax, root }: ProxySetup): string {
  if (application === undefined) return "";
  const reuse = kept > 0 ? `enablereuse=on max=${connectionsMax ?? THREADS}` : "enablereuse=off";
  const directory = application.root === undefined ? "/" : `${root}/`;
  return `ProxyPass "/" "unix:${application.place.path}|fcgi://127.0.0.1${directory}" ${reuse}`;
}
