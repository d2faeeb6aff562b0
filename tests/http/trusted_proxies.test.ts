/** Who the client is behind proxies: whom a site believes, what, and when nothing at all. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProxyHeader } from "../../src/http/forwarded.ts";
import type { RequestContext } from "../../src/http/request_context.ts";
import { portOf } from "../../src/http/request_context.ts";
import { IpNetworks } from "../../src/http/ip_networks.ts";
import { throughProxies } from "../../src/http/trusted_proxies.ts";
import { withConfig } from "../support/configured.ts";
import { echoParameters } from "../support/gateway.ts";

const TRUSTED = ["10.0.0.0/8", "2001:db8::/32"];
const CUSTOMARY: readonly ProxyHeader[] = ["for", "proto", "host", "port"];
const STANDARD: { fields: readonly ProxyHeader[] } = { fields: ["forwarded"] };

/** `CLIENT SCHEME HOST PORT`, and `!` where something could not be read. */
function seen(
  headers: Record<string, string>,
  { fields = CUSTOMARY, peer = "10.0.0.1" }: {
    fields?: readonly ProxyHeader[];
    peer?: string;
  } = {},
): string {
  const context: RequestContext = {
    id: "ours",
    method: "GET",
    target: { kind: "target", raw: "/", path: "/", query: "" },
    host: { name: "inside", port: undefined },
    peer: { host: peer, port: 1 },
    listener: { scheme: "http", host: "10.0.0.2", port: 8080 },
    startedMs: 0,
    trace: {},
    passed: undefined,
    extra: undefined,
    rules: undefined,
    bodyProgress: undefined,
  };
  let error = "";
  const trust = { networks: new IpNetworks(TRUSTED), headers: new Set(fields) };
  const result = throughProxies(trust, context, new Headers(headers), () => error = " !");
  const client = result.peer.port === 0 ? result.peer.host : `${result.peer.host}#`;
  return `${client} ${result.listener.scheme} ${result.host.name} ${portOf(result)}${error}`;
}

test("The client is the right-most hop that is not trusted", () => {
  const cases: Record<string, string> = {
    "192.0.2.1": "192.0.2.1 http inside 8080",
    "192.0.2.1, 198.51.100.7": "198.51.100.7 http inside 8080",
    "192.0.2.1, 198.51.100.7, 10.1.1.1,10.2.2.2": "198.51.100.7 http inside 8080",
    "10.1.1.1, 10.2.2.2": "10.1.1.1 http inside 8080",
    "2001:DB9::1, 2001:db8::1": "2001:db9::1 http inside 8080",
    "[2001:db9::1]:99, 10.1.1.1:80": "2001:db9::1# http inside 8080",
    "192.0.2.1:4711": "192.0.2.1# http inside 8080",
    "junk, 192.0.2.1": "192.0.2.1 http inside 8080",
  };
  for (const [field, expected] of Object.entries(cases)) {
    assert.equal(seen({ "x-forwarded-for": field }), expected, field);
  }
});

test("A peer that is not trusted is the client, whatever it says", () => {
  const headers = { "x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https" };
  assert.equal(seen(headers, { peer: "11.0.0.1" }), "11.0.0.1# http inside 8080");
  assert.equal(seen(headers, { peer: "" }), "# http inside 8080");
});

test("Scheme, host and port are those that the client used", () => {
  const told = (headers: Record<string, string>) =>
    seen({ "x-forwarded-for": "192.0.2.1", ...headers });
  assert.equal(told({ "x-forwarded-proto": "https" }), "192.0.2.1 https inside 443");
  assert.equal(told({ "x-forwarded-proto": "HTTP" }), "192.0.2.1 http inside 80");
  assert.equal(told({ "x-forwarded-host": "Example.com" }), "192.0.2.1 http example.com 80");
  assert.equal(told({ "x-forwarded-host": "a:81" }), "192.0.2.1 http a 81");
  assert.equal(
    told({ "x-forwarded-proto": "https", "x-forwarded-host": "a:81", "x-forwarded-port": "82" }),
    "192.0.2.1 https a 82",
  );
  assert.equal(told({ "x-forwarded-port": "82" }), "192.0.2.1 http inside 82");
});

test("Of several values the nearest proxy's counts, or the one beside the client's address", () => {
  const schemes = { "x-forwarded-proto": "https, http" };
  assert.equal(seen({ "x-forwarded-for": "192.0.2.1", ...schemes }), "192.0.2.1 http inside 80");
  assert.equal(
    seen({ "x-forwarded-for": "192.0.2.1, 10.1.1.1", ...schemes }),
    "192.0.2.1 https inside 443",
  );
});

test("Forwarded is read with its quotes, case and several elements", () => {
  const cases: Record<string, string> = {
    "for=192.0.2.1": "192.0.2.1 http inside 8080",
    'For="[2001:db9::1]:4711";Proto=HTTPS;host="a.example:444"': "2001:db9::1# https a.example 444",
    "for=192.0.2.1;proto=https, for=10.1.1.1;proto=http": "192.0.2.1 https inside 443",
    'for="192.0.2.\\1" ; by=_me': "192.0.2.1 http inside 8080",
    'for="192.0.2.1:_a.b-1"': "192.0.2.1 http inside 8080",
    'for="[2001:db8::1]:_x";proto=https': "2001:db8::1 https inside 443",
    "for=_hidden, for=192.0.2.1": "192.0.2.1 http inside 8080",
    'for=192.0.2.9;x="a,b\\",c"': "192.0.2.9 http inside 8080",
    ";;for=192.0.2.1;": "192.0.2.1 http inside 8080",
  };
  for (const [field, expected] of Object.entries(cases)) {
    assert.equal(seen({ forwarded: field }, STANDARD), expected, field);
  }
});

test("Only the fields that the proxies set are looked at", () => {
  const both = {
    "forwarded": "for=198.51.100.7;proto=https;host=f",
    "x-forwarded-for": "192.0.2.1",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "x.example",
    "x-forwarded-port": "77",
  };
  const told = (...fields: ProxyHeader[]) => seen(both, { fields });
  assert.equal(told("forwarded"), "198.51.100.7 https f 443");
  assert.equal(told("for"), "192.0.2.1 http inside 8080");
  assert.equal(told("for", "proto"), "192.0.2.1 https inside 443");
  assert.equal(told("for", "host"), "192.0.2.1 http x.example 80");
  assert.equal(told("for", "port"), "192.0.2.1 http inside 77");
  assert.equal(told("proto"), "10.0.0.1# https inside 443");
  assert.equal(told("request-id"), "10.0.0.1# http inside 8080");
});

test("A scheme, host or port that cannot be read is as if it were not there", () => {
  const client = { "x-forwarded-for": "192.0.2.1" };
  const cases: [Record<string, string>, string][] = [
    [{ "x-forwarded-proto": "gopher" }, "192.0.2.1 http inside 8080 !"],
    [{ "x-forwarded-proto": "" }, "192.0.2.1 http inside 8080"],
    [{ "x-forwarded-host": "<script>" }, "192.0.2.1 http inside 8080 !"],
    [{ "x-forwarded-host": "a b", "x-forwarded-proto": "https" }, "192.0.2.1 https inside 443 !"],
    [{ "x-forwarded-port": "0" }, "192.0.2.1 http inside 8080 !"],
    [{ "x-forwarded-port": "65536", "x-forwarded-host": "b" }, "192.0.2.1 http b 80 !"],
  ];
  for (const [headers, expected] of cases) {
    assert.equal(seen({ ...client, ...headers }), expected, JSON.stringify(headers));
  }
  assert.equal(
    seen({ forwarded: "for=192.0.2.1;proto=x" }, STANDARD),
    "192.0.2.1 http inside 8080 !",
  );
  assert.equal(
    seen({ forwarded: 'for=192.0.2.1;host="a b";proto=https' }, STANDARD),
    "192.0.2.1 https inside 443 !",
  );
  assert.equal(
    seen({ forwarded: "for=192.0.2.1;host=a b;proto=https" }, STANDARD),
    "192.0.2.1 https inside 443 !",
  );
});

test("Where the entry that counts cannot be read the client is unknown, not the proxy", () => {
  const entries = [
    ...["", " ", ",", "192.0.2.1,", "unknown", "_hidden", "junk", "192.0.2.1, unknown", "unix:"],
    ...["1.2.3", "192.0.2.1, 10.1.1.1, 1.2.3", "192.0.2.1:99999", "192.0.2.1:", "192.0.2.1:_"],
    ...["[::1", "::1]", "[192.0.2.1", "10.0.0.1\u00a0", '"192.0.2.1"', "0x7f.1", "127.1"],
    `192.0.2.1, ${"1".repeat(5000)}`,
  ];
  for (const entry of entries) {
    const told = seen({ "x-forwarded-for": entry, "x-forwarded-proto": "https" });
    assert.equal(told, "unknown https inside 443 !", JSON.stringify(entry));
  }
  const elements = [
    ...["", "proto=https", "for=192.0.2.1;for=10.0.0.1", 'for="192.0.2.1', "192.0.2.1", "for="],
    ...["for=_x", "for=unknown", 'for="_x:1"', "for=192.0.2.1;", "for=192.0.2.1,", "junk", '"'],
    `for=192.0.2.1;x="${"y".repeat(5000)}"`,
  ].filter((element) => element !== "for=192.0.2.1;");
  for (const element of elements) {
    assert.match(seen({ forwarded: element }, STANDARD), /^unknown http inside 8080 !$/, element);
  }
  assert.equal(seen({ forwarded: "for=_x;proto=https" }, STANDARD), "unknown https inside 443 !");
  assert.equal(seen({ forwarded: "junk, for=10.1.1.1" }, STANDARD), "unknown http inside 8080 !");
});

test("An address is written in one way, whatever way it came in", () => {
  const cases: Record<string, string> = {
    "::ffff:192.0.2.1": "192.0.2.1",
    "::FFFF:c000:201": "192.0.2.1",
    "[::ffff:192.0.2.1]:80": "192.0.2.1#",
    "2001:DB9:0:0:0:0:0:1": "2001:db9::1",
    "2001:db9::0:1": "2001:db9::1",
    "fe80::1%eth0": "fe80::1",
    "[fe80::1%eth0]:80": "fe80::1#",
    "::": "::",
    "0:0:1:0:0:0:1:0": "0:0:1::1:0",
  };
  for (const [entry, expected] of Object.entries(cases)) {
    assert.equal(seen({ "x-forwarded-for": entry }).split(" ")[0], expected, entry);
  }
});

test("A proxy that says nothing speaks for itself", () => {
  assert.equal(seen({}), "10.0.0.1# http inside 8080");
  assert.equal(seen({}, STANDARD), "10.0.0.1# http inside 8080");
});

const TEXT = `
admin: { listen: 127.0.0.1:0 }
upstreams: { app: { servers: ["\${env.APP}"] } }
sites:
  - hosts: [inside.example]
    trusted_proxies: [127.0.0.0/8]
    proxy_headers: [for, proto, host, request-id]
    trace_context: true
    routes: [{ fastcgi: { upstream: app, params: { ID: "\${request.id}" } } }]
  - routes: [{ fastcgi: { upstream: app } }]
`;

test("An application sees the client of a trusted proxy, and the log too", async () => {
  await withConfig({ text: TEXT, application: echoParameters }, async (gateway) => {
    const headers = {
      "Host": "inside.example",
      "X-Forwarded-For": "192.0.2.1",
      "X-Forwarded-Proto": "https",
      "X-Forwarded-Host": "public.example",
      "X-Request-Id": "from-the-proxy:1",
    };
    const response = await gateway.send({ target: "/trusted", headers });
    const sent = JSON.parse(response.body.toString());
    assert.equal(sent.REMOTE_ADDR, "192.0.2.1");
    assert.equal("REMOTE_PORT" in sent, false);
    assert.deepEqual([sent.HTTPS, sent.REQUEST_SCHEME], ["on", "https"]);
    assert.deepEqual([sent.SERVER_NAME, sent.SERVER_PORT], ["public.example", "443"]);
    assert.equal(sent.ID, "from-the-proxy:1");
    const line = await gateway.access.ofPath("/trusted");
    assert.deepEqual([line["client"], line["request_id"]], ["192.0.2.1", "from-the-proxy:1"]);
    const other = await gateway.send({ headers: { ...headers, Host: "other.example" } });
    const untrusted = JSON.parse(other.body.toString());
    assert.equal(untrusted.REMOTE_ADDR, "127.0.0.1");
    assert.equal(untrusted.REQUEST_SCHEME, "http");
  });
});

test("A request id that is too long or too strange is not taken", async () => {
  await withConfig({ text: TEXT, application: echoParameters }, async (gateway) => {
    for (const id of ["x".repeat(129), "a b", "a\u00e9", "<a>", ""]) {
      const headers = { "Host": "inside.example", "X-Request-Id": id };
      const sent = JSON.parse((await gateway.send({ headers })).body.toString());
      assert.match(sent.ID, /^[0-9a-f]{8}-\d+$/, id);
    }
  });
});

test("Fields of a trusted proxy that cannot be read are counted, and told once", async () => {
  await withConfig({ text: TEXT, application: echoParameters }, async (gateway) => {
    for (const target of ["/first", "/second"]) {
      const headers = { "Host": "inside.example", "X-Forwarded-For": "192.0.2.1, nobody" };
      const sent = JSON.parse((await gateway.send({ target, headers })).body.toString());
      assert.equal(sent.REMOTE_ADDR, "unknown");
      assert.equal("REMOTE_PORT" in sent, false);
      assert.equal((await gateway.access.ofPath(target))["client"], "unknown");
    }
    const metrics = (await gateway.admin("/metrics")).body.toString();
    assert.match(metrics, /^afcgi_http_forwarded_ignored_total\{site="inside\.example"\} 2$/m);
    const line = await gateway.log.find(({ code }) => code === "client_unknown");
    const { level, path, site, proxy, value } = line;
    assert.deepEqual(
      [level, path, site, proxy, value],
      ["warn", "/first", "inside.example", "127.0.0.1", "nobody"],
    );
    assert.equal(gateway.log.lines.filter(({ code }) => code === "client_unknown").length, 1);
  });
});

const TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

test("A trace is passed on, or started where there is none that can be read", async () => {
  await withConfig({ text: TEXT, application: echoParameters }, async (gateway) => {
    const traceOf = async (target: string, headers: Record<string, string>) => {
      const response = await gateway.send({
        target,
        headers: { Host: "inside.example", ...headers },
      });
      const sent = JSON.parse(response.body.toString());
      const line = await gateway.access.ofPath(target);
      assert.equal(line["trace_id"], sent.HTTP_TRACEPARENT.slice(3, 35));
      return [sent.HTTP_TRACEPARENT, sent.HTTP_TRACESTATE];
    };
    const passed = await traceOf("/pass", { traceparent: TRACEPARENT, tracestate: "a=b" });
    assert.deepEqual(passed, [TRACEPARENT, "a=b"]);
    const later = TRACEPARENT.replace("00", "01") + "-more";
    assert.equal((await traceOf("/later", { traceparent: later }))[0], later);
    const broken = ["", "ff" + TRACEPARENT.slice(2), TRACEPARENT + "-more", "00-0-0-00"];
    const zeros = [TRACEPARENT.replace(/4bf9\w+/, "0".repeat(32))];
    for (const [index, traceparent] of [...broken, ...zeros].entries()) {
      const [started, state] = await traceOf(`/${index}`, { traceparent, tracestate: "a=b" });
      assert.match(started, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      assert.equal(state, "");
    }
    const [, none] = await traceOf("/none", {});
    assert.equal(none, undefined, "there was nothing to take away");
  });
});
