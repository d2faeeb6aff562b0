/**
 * `Connection: X-Forwarded-For` and the like: a client has fields taken away that a server before
 * afcgi has set, or that say to the application who it is (the kind of CVE-2022-31813).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withConfig } from "../support/configured.ts";
import { echoParameters } from "../support/gateway.ts";

const TEXT = `
upstreams: { app: { servers: ["\${env.APP}"], multiplex: "on" } }
sites:
  - hosts: [proxied.example]
    trusted_proxies: [127.0.0.0/8]
    routes: [{ fastcgi: { upstream: app } }]
  - routes: [{ fastcgi: { upstream: app } }]
`;

const FIELDS: Readonly<Record<string, string>> = {
  "Cookie": "a=1",
  "Authorization": "Bearer x",
  "Forwarded": "for=192.0.2.1",
  "X-Forwarded-For": "192.0.2.1",
  "X-Forwarded-Proto": "https",
  "X-Forwarded-Anything": "1",
  "X-Real-IP": "192.0.2.1",
  "X-Client-Cert": "none",
  "X-SSL-Client-Verify": "FAILED",
  "X-Remote-User": "nobody",
  "CF-Connecting-IP": "192.0.2.1",
  "True-Client-IP": "192.0.2.1",
  "Via": "1.1 proxy",
  "If-None-Match": "x",
};

function parameterOf(field: string): string {
  return `HTTP_${field.toUpperCase().replaceAll("-", "_")}`;
}

test("A client cannot have the fields of others taken away", async () => {
  await withConfig({ text: TEXT, application: echoParameters }, async (gateway) => {
    const names = ["Host", ...Object.keys(FIELDS)];
    const written = [names.join(", "), names.join(" ,\t").toLowerCase(), `close, ${names}`];
    for (const connection of written) {
      const headers = { ...FIELDS, Host: "site.example", Connection: connection };
      const sent = JSON.parse((await gateway.send({ headers })).body.toString());
      assert.equal(sent.HTTP_HOST, "site.example");
      for (const [field, value] of Object.entries(FIELDS)) {
        assert.equal(sent[parameterOf(field)], value, `${field} with Connection: ${connection}`);
      }
    }
  });
});

test("Its own fields for the next hop still end here", async () => {
  await withConfig({ text: TEXT, application: echoParameters }, async (gateway) => {
    const headers = { "Connection": "close, X-Hop, Keep-Alive", "X-Hop": "1", "Keep-Alive": "5" };
    const sent = JSON.parse((await gateway.send({ headers })).body.toString());
    assert.deepEqual([sent.HTTP_X_HOP, sent.HTTP_KEEP_ALIVE, sent.HTTP_CONNECTION], [
      undefined,
      undefined,
      undefined,
    ]);
  });
});

test("From a trusted proxy nothing is taken away but what is of one hop by nature", async () => {
  await withConfig({ text: TEXT, application: echoParameters }, async (gateway) => {
    const headers = {
      "Host": "proxied.example",
      "X-Forwarded-For": "192.0.2.1",
      "Connection": "upgrade, X-Set-By-The-Proxy, X-Forwarded-For",
      "X-Set-By-The-Proxy": "yes",
      "Upgrade": "h2c",
    };
    for (let time = 0; time < 2; time++) {
      const sent = JSON.parse((await gateway.send({ headers })).body.toString());
      assert.deepEqual(
        [sent.HTTP_X_SET_BY_THE_PROXY, sent.HTTP_X_FORWARDED_FOR, sent.HTTP_UPGRADE],
        ["yes", "192.0.2.1", undefined],
      );
    }
  });
});
