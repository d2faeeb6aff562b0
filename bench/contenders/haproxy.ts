/**
 * HAProxy: one thread, kept connections. It multiplexes (`mpxs-conns`) only where a row asks for it:
 * 2.6 then loses requests and may end (bench/README.md). It has no file server.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Contender, type ProxySetup, tlsFiles } from "./contender.ts";

export const haproxy: Contender = {
  name: "haproxy",
  title: "HAProxy",
  peer: "haproxy",
  servesFiles: false,
  command(setup) {
    const config = join(setup.directory, "haproxy.cfg");
    writeFileSync(config, configText(setup));
    const { accessLog } = setup;
    return {
      program: "haproxy",
      args: ["-db", "-f", config],
      stopSignal: "SIGTERM",
      ...(accessLog !== undefined && { output: accessLog }),
    };
  },
};

function configText(setup: ProxySetup): string {
  const { application, kept, multiplex, connectionsMax, root, port, accessLog } = setup;
  if (application === undefined) throw new Error("HAProxy serves no files");
  const logs = accessLog !== undefined;
  return `
global
  nbthread 1
  expose-experimental-directives
  tune.fd.edge-triggered on
  ${logs ? "log stdout format raw local0 info" : ""}
defaults
  mode http
  timeout connect 5s
  timeout client 120s
  timeout server 120s
  timeout queue 120s
  http-reuse always
  ${logs ? "log global\n  option httplog" : ""}
fcgi-app app
  docroot ${root}
  index index.php
  ${kept > 0 ? "option keep-conn" : "no option keep-conn"}
  ${multiplex ? `option mpxs-conns\n  option max-reqs ${application.streams}` : ""}
frontend web
  bind 127.0.0.1:${port} backlog 4096 ${overListener(setup)}
  default_backend app
backend app
  use-fcgi-app app
  server one unix@${application.place.path} proto fcgi ${
    connectionsMax === undefined ? "" : `maxconn ${connectionsMax}`
  }
`;
}

function overListener(setup: ProxySetup): string {
  const isHttp2 = setup.protocol === "HTTP/2";
  if (!setup.isTls) return isHttp2 ? "proto h2" : "";
  return `ssl crt ${tlsFiles(setup).both} alpn ${isHttp2 ? "h2,http/1.1" : "http/1.1"}`;
}
