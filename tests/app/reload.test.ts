/** A configuration in the place of another: all of it or nothing, and nobody notices. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { DRAINING_MAX } from "../../src/app/app.ts";
import type { AppOptions, ListenOptions } from "../../src/app/options.ts";
import { ListenError } from "../../src/runtime/network.ts";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import {
  freshSocket,
  type Gateway,
  gatewayAppOptions,
  LISTEN,
  startGateway,
} from "../support/gateway.ts";
import { type CertificateFiles, selfSigned } from "../support/certificates.ts";
import { route, withCapsule } from "../support/gemini.ts";
import { freePort, waitUntil } from "../support/places.ts";
import { HttpConnection, httpRequest } from "../support/raw_http.ts";

function respond(body: string): Pick<AppOptions, "sites"> {
  const handler = { kind: "respond", status: 200, body } as const;
  const routes = [{ path: undefined, methods: undefined, handler }];
  return { sites: [{ hosts: [], root: undefined, routes }] };
}

function optionsOf(change: Partial<AppOptions>): AppOptions {
  return { ...gatewayAppOptions({}, freshSocket()), upstreams: [], ...change };
}

async function withApp(options: AppOptions, use: (gateway: Gateway) => Promise<void>) {
  const gateway = await startGateway(options);
  try {
    await use(gateway);
  } finally {
    await gateway.app.stop();
  }
}

async function reload({ app }: Gateway, options: AppOptions): Promise<void> {
  await (await app.prepare(options)).commit();
}

function at(port: number): ListenOptions {
  return { address: { transport: "tcp", host: "127.0.0.1", port }, tls: undefined };
}

/** An application that keeps `/slow` waiting until it is told. */
function gated() {
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const application = async (request: Request) => {
    if (request.url.endsWith("/slow")) {
      arrived.resolve();
      await gate.promise;
    }
    return new Response("served");
  };
  return { application, arrived: arrived.promise, open: gate.resolve };
}

const bodyOf = async (port: number, target = "/") =>
  (await httpRequest(port, { target })).body.toString();

test("A kept connection gets the responses of the new configuration", async () => {
  const options = optionsOf(respond("one"));
  await withApp(options, async (gateway) => {
    const connection = await HttpConnection.open(gateway.port);
    for (const body of ["one", "two", "three"]) {
      await reload(gateway, { ...options, ...respond(body) });
      await connection.send({ target: "/" });
      assert.equal((await connection.readResponse()).body.toString(), body);
    }
    connection.destroy();
  });
});

test("What is prepared changes nothing, and what is discarded never has", async () => {
  const options = optionsOf(respond("one"));
  const port = await freePort();
  const other = { ...options, ...respond("two"), listen: [LISTEN, at(port)] };
  await withApp(options, async (gateway) => {
    const prepared = await gateway.app.prepare(other);
    assert.equal(await bodyOf(gateway.port), "one");
    await prepared.discard();
    await assert.rejects(bodyOf(port));
    assert.equal(await bodyOf(gateway.port), "one");
    await reload(gateway, other);
    assert.deepEqual([await bodyOf(gateway.port), await bodyOf(port)], ["two", "two"]);
    assert.equal(gateway.app.addresses.length, 2);
  });
});

test("Requests to a listener that is prepared wait until it serves", async () => {
  const options = optionsOf(respond("one"));
  const port = await freePort();
  await withApp(options, async (gateway) => {
    const listen = [LISTEN, at(port)];
    const prepared = await gateway.app.prepare({ ...options, ...respond("two"), listen });
    const early = bodyOf(port);
    assert.equal(await bodyOf(gateway.port), "one");
    await prepared.commit();
    assert.equal(await early, "two");
  });
});

test("Where one listener cannot be opened, none is, and everything stays", async () => {
  const options = optionsOf(respond("one"));
  const [free, taken] = [await freePort(), await freePort()];
  await withApp(optionsOf({ ...respond("taken"), listen: [at(taken)] }), async () => {
    await withApp(options, async (gateway) => {
      const faulty = { ...options, ...respond("two"), listen: [LISTEN, at(free), at(taken)] };
      await assert.rejects(gateway.app.prepare(faulty), ListenError);
      assert.equal(await bodyOf(gateway.port), "one");
      await assert.rejects(bodyOf(free));
      await reload(gateway, { ...options, ...respond("three"), listen: [LISTEN, at(free)] });
      assert.deepEqual([await bodyOf(gateway.port), await bodyOf(free)], ["three", "three"]);
    });
  });
});

test("A listener that is gone ends its idle connections and finishes the others", async () => {
  const { application, arrived, open } = gated();
  const address = freshSocket();
  const server = await serveFastCgi(application, { listen: address });
  const options = { ...gatewayAppOptions({}, address), listen: [LISTEN, LISTEN] };
  await withApp(options, async (gateway) => {
    const [, second] = gateway.app.addresses;
    const port = second?.transport === "tcp" ? second.port : 0;
    const kept = await HttpConnection.open(gateway.port);
    const idle = await HttpConnection.open(port);
    const slow = httpRequest(port, { target: "/slow" });
    await arrived;
    await reload(gateway, { ...options, listen: [LISTEN] });
    await assert.rejects(HttpConnection.open(port));
    await assert.rejects(idle.readHeaders());
    open();
    const { status, headers } = await slow;
    assert.deepEqual([status, headers.get("connection")], [200, "close"]);
    await kept.send({ target: "/" });
    assert.equal((await kept.readResponse()).status, 200);
    kept.destroy();
  });
  await server.shutdown({ grace: 0 });
});

test("An upstream that has not changed keeps its connection, one that has ends with its requests", async () => {
  const { application, arrived, open } = gated();
  const address = freshSocket();
  const server = await serveFastCgi(application, { listen: address });
  const options = { ...gatewayAppOptions({ admin: true }, address) };
  await withApp(options, async (gateway) => {
    const connects = async () => {
      const text = (await gateway.admin("/metrics")).body.toString();
      return Number(/^afcgi_upstream_connects_total\{.*\} (\d+)$/m.exec(text)?.[1]);
    };
    await gateway.send("/");
    await reload(gateway, { ...options, limits: { ...options.limits, requestBodyMax: 5 } });
    await gateway.send("/");
    assert.equal(await connects(), 1);
    const slow = gateway.send("/slow");
    await arrived;
    const [upstream] = options.upstreams;
    const other = { ...upstream!, queue: { lengthMax: 7, timeoutMs: 1_000 } };
    await reload(gateway, { ...options, upstreams: [other] });
    assert.equal((await gateway.send("/")).status, 200);
    assert.equal(await connects(), 2);
    open();
    assert.equal((await slow).body.toString(), "served");
  });
  await server.shutdown({ grace: 0 });
});

test("A site moves from one listener to another, and is nowhere else", async () => {
  const [first, second] = [await freePort(), await freePort()];
  const siteAt = (port: number, body: string) => ({
    ...respond(body).sites[0]!,
    listen: [at(port).address],
  });
  const withSites = (...sites: AppOptions["sites"]) =>
    optionsOf({ listen: [at(first), at(second)], sites });
  await withApp(withSites(siteAt(first, "a"), siteAt(second, "b")), async (gateway) => {
    assert.deepEqual([await bodyOf(first), await bodyOf(second)], ["a", "b"]);
    const kept = await HttpConnection.open(first);
    await reload(gateway, withSites(siteAt(second, "a"), siteAt(first, "b")));
    assert.deepEqual([await bodyOf(first), await bodyOf(second)], ["b", "a"]);
    await reload(gateway, withSites(siteAt(second, "alone")));
    assert.equal(await bodyOf(second), "alone");
    await kept.send({ target: "/" });
    assert.equal((await kept.readResponse()).status, 404, "no site is served there any more");
    kept.destroy();
  });
});

test("A server that joins an upstream, leaves it or changes its weight costs the others nothing", async () => {
  const [first, second] = [freshSocket(), freshSocket()];
  const servers = [];
  for (const [address, body] of [[first, "one"], [second, "two"]] as const) {
    servers.push(await serveFastCgi(() => new Response(body), { listen: address }));
  }
  const options = gatewayAppOptions({ admin: true }, first);
  const [upstream] = options.upstreams;
  const withServers = (...addresses: readonly (typeof first)[]) => ({
    ...options,
    upstreams: [{
      ...upstream!,
      balance: "round_robin" as const,
      servers: addresses.map((address) => ({ address, weight: 1, backup: false })),
    }],
  });
  await withApp(withServers(first), async (gateway) => {
    const connects = async () => {
      const text = (await gateway.admin("/metrics")).body.toString();
      const lines = [
        ...text.matchAll(/^afcgi_upstream_connects_total\{.*server="(.*?)".*\} (\d+)$/gm),
      ];
      return lines.map(([, , count]) => Number(count));
    };
    const bodies = async () => {
      const both = [await gateway.send("/"), await gateway.send("/")];
      return both.map(({ body }) => body.toString()).toSorted();
    };
    assert.deepEqual(await bodies(), ["one", "one"]);
    const prepared = await gateway.app.prepare(withServers(second));
    await prepared.discard();
    assert.deepEqual(await bodies(), ["one", "one"], "what is discarded changes no server");
    await reload(gateway, withServers(first, second));
    assert.deepEqual(await bodies(), ["one", "two"]);
    assert.deepEqual(await connects(), [1, 1]);
    await reload(gateway, withServers(second));
    assert.deepEqual(await bodies(), ["two", "two"]);
    await reload(gateway, withServers(second, first));
    assert.deepEqual(await bodies(), ["one", "two"]);
    assert.deepEqual(
      (await connects()).toSorted(),
      [1, 2],
      "the one that left had to connect again",
    );
    const status = JSON.parse((await gateway.admin("/status")).body.toString());
    assert.equal(status.upstreams[0].servers.length, 2);
  });
  for (const server of servers) await server.shutdown({ grace: 0 });
});

test("A hundred reloads under load lose no request and close no connection", async () => {
  const address = freshSocket();
  const server = await serveFastCgi(() => new Response("served"), { listen: address });
  const options = gatewayAppOptions({}, address);
  const [upstream] = options.upstreams;
  const taken = await freePort();
  await withApp(optionsOf({ ...respond("taken"), listen: [at(taken)] }), async () => {
    await withApp(options, async (gateway) => {
      let isOver = false;
      const load = Array.from({ length: 8 }, async () => {
        const connection = await HttpConnection.open(gateway.port);
        let count = 0;
        for (; !isOver; count++) {
          await connection.send({ target: "/load" });
          const { status, body, complete } = await connection.readResponse();
          assert.deepEqual([status, body.toString(), complete], [200, "served", true]);
        }
        connection.destroy();
        return count;
      });
      for (let round = 0; round < 100; round++) {
        const lengthMax = 1_000 + (round % 2 === 0 ? round : 0);
        const changed = { ...upstream!, queue: { lengthMax, timeoutMs: 30_000 } };
        const listen = round % 3 === 2 ? [LISTEN, at(taken)] : [LISTEN];
        const reloaded = reload(gateway, { ...options, upstreams: [changed], listen });
        if (round % 3 === 2) await assert.rejects(reloaded, ListenError);
        else await reloaded;
        assert.equal((await gateway.send("/")).status, 200);
      }
      isOver = true;
      for (const count of await Promise.all(load)) assert.ok(count > 0);
    });
  });
  await server.shutdown({ grace: 0 });
});

test("Reloads that come together become two, and a faulty one is told and changes nothing", async () => {
  const options = optionsOf(respond("one"));
  let loads = 0;
  let next: () => AppOptions = () => ({ ...options, ...respond(`load ${loads}`) });
  const load = async () => {
    loads++;
    return { options: next(), notes: [] };
  };
  const gateway = await startGateway(options, undefined, { load });
  try {
    const results = await Promise.all(Array.from({ length: 50 }, () => gateway.app.reload("test")));
    assert.equal(loads, 2);
    assert.deepEqual(new Set(results.map(({ generation }) => generation)), new Set([2, 3]));
    assert.equal(await bodyOf(gateway.port), "load 2");
    next = () => {
      throw new Error("a.yaml:1:2: wrong\nb.yaml:3:4: wrong as well");
    };
    const faulty = await gateway.app.reload("test");
    assert.deepEqual(faulty, {
      ok: false,
      generation: 3,
      errors: ["a.yaml:1:2: wrong", "b.yaml:3:4: wrong as well"],
    });
    assert.equal(await bodyOf(gateway.port), "load 2");
    next = () => ({ ...options, workers: 2, user: "nobody" });
    const restart = await gateway.app.reload("test");
    assert.ok(restart.ok);
    assert.deepEqual(restart.warnings.map((line) => /"(.*)"/.exec(line)?.[1]), ["user", "workers"]);
  } finally {
    await gateway.app.stop();
  }
});

test("Of configurations whose requests never end, the oldest is cut when there are too many", async () => {
  const address = freshSocket();
  const gate = Promise.withResolvers<void>();
  let arrived = 0;
  const server = await serveFastCgi(async () => {
    arrived++;
    await gate.promise;
    return new Response("served");
  }, { listen: address });
  const options = gatewayAppOptions({}, address);
  const [upstream] = options.upstreams;
  await withApp(options, async (gateway) => {
    const requests = [];
    for (let round = 0; round < DRAINING_MAX + 1; round++) {
      requests.push(gateway.send("/endless").then(({ status }) => status));
      await waitUntil(() => Promise.resolve(arrived > round), "the request at the application");
      const queue = { lengthMax: round + 1, timeoutMs: 1_000 };
      await reload(gateway, { ...options, upstreams: [{ ...upstream!, queue }] });
    }
    assert.equal(await requests[0], 503);
    await gateway.log.find(({ code }) => code === "configuration_cut");
    gate.resolve();
    const rest = await Promise.all(requests.slice(1));
    assert.deepEqual(rest, rest.map(() => 200));
  });
  await server.shutdown({ grace: 0 });
});

test("A stop while a configuration is prepared discards it", async () => {
  const options = optionsOf(respond("one"));
  const port = await freePort();
  const gateway = await startGateway(options);
  const prepared = await gateway.app.prepare({ ...options, listen: [LISTEN, at(port)] });
  const stopped = gateway.app.stop();
  await prepared.commit();
  await stopped;
  await assert.rejects(bodyOf(port));
  await assert.rejects(gateway.app.prepare(options), /afcgi is stopping/);
});

test("A listener that stays shows the new configuration's certificate, to who comes new", async () => {
  const [first, second] = ["one", "two"].map((name) =>
    selfSigned(`/CN=${name}`, "subjectAltName=DNS:localhost")
  );
  const listenWith = ({ certPath: cert, keyPath: key }: CertificateFiles): ListenOptions => ({
    ...LISTEN,
    tls: { pair: { cert, key } },
  });
  const options = optionsOf({ ...respond("one"), listen: [listenWith(first!)] });
  await withApp(options, async (gateway) => {
    const subjectOf = () =>
      new Promise<string>((resolve, reject) => {
        const socket = connectTls({
          port: gateway.port,
          host: "127.0.0.1",
          servername: "localhost",
          rejectUnauthorized: false,
        });
        socket.once("secureConnect", () => {
          resolve(String(socket.getPeerCertificate().subject.CN));
          socket.destroy();
        });
        socket.once("error", reject);
      });
    assert.equal(await subjectOf(), "one");
    await reload(gateway, { ...options, ...respond("two"), listen: [listenWith(second!)] });
    assert.equal(await subjectOf(), "two");
    const missing = { certPath: "/nonexistent", keyPath: "/nonexistent", cert: "", key: "" };
    await assert.rejects(
      gateway.app.prepare({ ...options, listen: [listenWith(missing)] }),
      /Cannot serve TLS/,
    );
    assert.equal(await subjectOf(), "two");
  });
});

test("Gemini gets the new configuration's responses on a listener that stays, and none once it is gone", async () => {
  const respondWith = (
    body: string,
  ) => [route({ kind: "respond", code: 20, meta: "text/plain", body })];
  await withCapsule({ routes: respondWith("one") }, async (capsule) => {
    const { options } = capsule.app;
    const [site] = options.gemini!.sites;
    const gemini = { ...options.gemini!, sites: [{ ...site!, routes: respondWith("two") }] };
    assert.equal((await capsule.ask("/")).body, "one");
    await reload(capsule, { ...options, gemini });
    assert.equal((await capsule.ask("/")).body, "two");
    const { gemini: _, ...without } = options;
    await reload(capsule, without);
    await assert.rejects(capsule.ask("/"));
    assert.deepEqual(capsule.app.geminiAddresses, []);
  });
});
