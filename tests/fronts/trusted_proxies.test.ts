/** afcgi behind HAProxy and nginx, by HTTP: their client stays who it is, whatever it sends. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withConfig } from "../support/configured.ts";
import { echoParameters } from "../support/gateway.ts";
import { missingPeer } from "../support/peers.ts";
import { freePort, temporaryDirectory, waitForListener } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";
import { startServer } from "./web_server.ts";
import { nginx } from "./nginx.ts";

/** The client that the proxies see, and where they come from: a rule below lets that in. */
const CLIENT = "127.0.0.1";
const PROXY = "127.0.0.9";

/** What a client sends to be somebody else. */
const OWN: readonly Record<string, string>[] = [
  {},
  { "X-Forwarded-For": PROXY },
  { "X-Forwarded-For": "junk" },
  { "X-Forwarded-For": new Array(32).fill(PROXY).join(",") },
  { "X-Forwarded-For": "x".repeat(5000) },
  { "X-Forwarded-Proto": "ftp", "X-Forwarded-Host": "a b", "X-Forwarded-Port": "0" },
  { "Forwarded": `for="${PROXY}` },
  { "Forwarded": `junk, for=${PROXY}` },
  { "Connection": "X-Forwarded-For, Forwarded, close" },
];

const HAPROXY = (port: number, target: number, option: string) => `
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend web
  bind 127.0.0.1:${port}
  default_backend afcgi
backend afcgi
  source ${PROXY}
  ${option}
  server afcgi 127.0.0.1:${target}
`;

const NGINX = (port: number, target: number) => `
server {
  listen 127.0.0.1:${port};
  location / {
    proxy_bind ${PROXY};
    proxy_pass http://127.0.0.1:${target};
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  }
}
`;

interface Case {
  readonly name: string;
  readonly headers: string;
  start(directory: string, port: number, target: number): ReturnType<typeof startServer>;
}

const CASES: readonly Case[] = [
  ...[
    { option: "option forwardfor", headers: "[for]" },
    {
      option: 'http-request add-header Forwarded "for=%[src];proto=http"',
      headers: "[forwarded]",
    },
  ].map(({ option, headers }) => ({
    name: `HAProxy that sets ${headers}`,
    headers,
    start(directory: string, port: number, target: number) {
      const path = join(directory, "haproxy.cfg");
      writeFileSync(path, HAPROXY(port, target, option));
      return startServer("haproxy", ["-db", "-f", path], directory);
    },
  })),
  {
    name: "nginx",
    headers: "[for]",
    start: (directory, port, target) => nginx.start(directory, NGINX(port, target)),
  },
];

for (const { name, headers, start } of CASES) {
  const skip = missingPeer(name === "nginx" ? "nginx" : "haproxy");
  test(`A client behind ${name} stays who it is`, { skip }, async () => {
    const text = `
upstreams: { app: { servers: ["\${env.APP}"], multiplex: "on" } }
sites:
  - trusted_proxies: [${PROXY}]
    proxy_headers: ${headers}
    routes:
      - { path: /in, ip_restriction: { allow: [${PROXY}] }, respond: { body: in } }
      - fastcgi: { upstream: app }
`;
    await withConfig({ text, application: echoParameters }, async (gateway) => {
      const directory = temporaryDirectory();
      const port = await freePort();
      const webServer = start(directory, port, gateway.port);
      try {
        await waitForListener({ network: "tcp", host: "127.0.0.1", port });
        for (const own of OWN) {
          const says = JSON.stringify(own).slice(0, 100);
          const from = { headers: own };
          assert.equal((await httpRequest(port, { target: "/in", ...from })).status, 403, says);
          const sent = JSON.parse((await httpRequest(port, from)).body.toString());
          assert.equal(sent.REMOTE_ADDR, CLIENT, says);
          assert.equal(sent.HTTPS, undefined, says);
        }
      } finally {
        await webServer.stop();
      }
    });
  });
}
