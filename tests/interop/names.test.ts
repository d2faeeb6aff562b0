/** Servers behind names, through the executable: a name server of our own, and php-fpm's ping. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AFCGI, Afcgi } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import { DnsServer } from "../support/dns_server.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import {
  freePort,
  type Place,
  temporaryDirectory,
  waitForListener,
  waitUntil,
} from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

const SERVICE = "_fcgi._tcp.app.test";

async function withDns(use: (dns: DnsServer) => Promise<void>): Promise<void> {
  const dns = await DnsServer.start();
  try {
    await use(dns);
  } finally {
    await dns.stop();
  }
}

function place(host: string, port: number): Place & { network: "tcp" } {
  return { network: "tcp", host, port };
}

async function startResponder(host: string, port: number): Promise<Child> {
  const child = new Child(AFCGI, ["responder", "--listen", `tcp://${host}:${port}`]);
  await waitForListener(place(host, port));
  return child;
}

async function serverOf(afcgi: Afcgi, path: string): Promise<unknown> {
  const response = await httpRequest(afcgi.port, { target: path });
  // Any response of the application will do, also that it has no such page.
  assert.match(response.body.toString(), /^There is no /);
  return (await afcgi.waitForAccess((line) => line.path === path)).server;
}

test("The executable follows the addresses of a name", async () => {
  await withDns(async (dns) => {
    const port = await freePort();
    const responders = [
      await startResponder("127.0.0.1", port),
      await startResponder("127.0.0.2", port),
    ];
    dns.set("app.test", { ipv4: ["127.0.0.1"], ttlS: 1 });
    const afcgi = await Afcgi.start({
      config: {
        // Each thread looks names up when it has requests, and tells so.
        workers: 1,
        upstreams: {
          app: { servers: [`app.test:${port}`], resolve: { servers: [dns.address] } },
        },
        sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
      },
    });
    assert.equal(await serverOf(afcgi, "/first"), `tcp://127.0.0.1:${port}`);
    dns.set("app.test", { ipv4: ["127.0.0.2"], ttlS: 1 });
    let count = 0;
    await waitUntil(
      async () => await serverOf(afcgi, `/n${count++}`) === `tcp://127.0.0.2:${port}`,
      "a request at the new address",
    );
    const change = await afcgi.waitForLog((line) => line.left !== "" && line.left !== undefined);
    assert.equal(change.left, `tcp://127.0.0.1:${port}`);
    dns.remove("app.test");
    assert.equal(await serverOf(afcgi, "/last"), `tcp://127.0.0.2:${port}`);
    await afcgi.stop();
    for (const responder of responders) await responder.stop("SIGTERM");
  });
});

test("The executable says which name it cannot look up, and why", async () => {
  await withDns(async (dns) => {
    const afcgi = await Afcgi.start({
      config: {
        upstreams: { app: { servers: ["nobody.test"], resolve: { servers: [dns.address] } } },
        sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
      },
    });
    const response = await httpRequest(afcgi.port, { target: "/" });
    assert.equal(response.status, 502);
    assert.match(response.body.toString(), /lookup_failed/);
    const line = await afcgi.waitForLog(({ status }) => status === 502);
    assert.equal(
      line.msg,
      'Cannot look up server "nobody.test" of upstream "app": ' +
        '"nobody.test" is not known to the name service',
    );
    await afcgi.stop();
  });
});

test("The executable finds php-fpm by its SRV record, pings it, and takes it out while it is down", async () => {
  await withDns(async (dns) => {
    const directory = temporaryDirectory();
    const fpmPlace = place("127.0.0.1", await freePort());
    const fpm = await startPhpFpm({ directory, place: fpmPlace, children: 2 });
    const services = [{ priority: 1, weight: 1, port: fpmPlace.port, host: "fpm.test" }];
    dns.set(SERVICE, { services });
    dns.set("fpm.test", { ipv4: ["127.0.0.1"] });
    const afcgi = await Afcgi.start({
      config: {
        upstreams: {
          php: {
            servers: [SERVICE],
            health: { interval: "100ms", timeout: "5s", rise: 1, fall: 2, script: "/ping" },
            resolve: { servers: [dns.address] },
          },
        },
        sites: [{
          routes: [{
            fastcgi: {
              upstream: "php",
              params: { SCRIPT_FILENAME: "/ping" },
              script_name: "/ping",
            },
          }],
        }],
      },
    });
    const ping = () => httpRequest(afcgi.port, { target: "/ping" });
    assert.equal((await ping()).body.toString(), "pong");
    await fpm.stop("SIGTERM");
    const down = await afcgi.waitForLog(({ code }) => code === "server_down");
    assert.equal(down.server, `tcp://127.0.0.1:${fpmPlace.port}`);
    const refused = await ping();
    assert.equal(refused.status, 503);
    assert.equal(refused.headers.get("retry-after"), "1");
    assert.match(refused.body.toString(), /servers_down/);
    const again = await startPhpFpm({ directory, place: fpmPlace, children: 2 });
    await afcgi.waitForLog(({ code }) => code === "server_up");
    assert.equal((await ping()).body.toString(), "pong");
    await afcgi.stop();
    await again.stop("SIGTERM");
  });
});
