/** The Gemini gateway with real TLS sockets, on the runtime that the tests run on. */
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import type { RequestInfo } from "../../src/responder/options.ts";
import { makeSelfSigned } from "../../src/certificates/self_signed.ts";
import { selfSigned, signedBy } from "../support/certificates.ts";
import { withConfig } from "../support/configured.ts";
import { freshPath, LOOPBACK } from "../support/gateway.ts";
import {
  capsuleSite,
  dialGemini,
  readReply,
  route,
  sendGemini,
  TO_APP,
  withCapsule,
} from "../support/gemini.ts";
import { missingPeer } from "../support/peers.ts";
import { waitUntil } from "../support/places.ts";
import { rawTls } from "../support/raw_tls.ts";

const skip = missingPeer("openssl");
const HELLO = route({ kind: "respond", code: 20, meta: "text/gemini", body: "# Hello\n" });

/** A CGI application that gives its parameters back as JSON. */
const CGI_APP = { ...TO_APP, convert: "cgi" } as const;
const echo = (_: Request, { params }: RequestInfo) => Response.json(Object.fromEntries(params));

test("A request for another host, port or scheme gets 53, a malformed one 59", async () => {
  await withCapsule({ routes: [HELLO] }, async ({ geminiPort, ask }) => {
    const here = `localhost:${geminiPort}`;
    const table: readonly (readonly [uri: string, header: RegExp])[] = [
      [`gemini://${here}/`, /^20 text\/gemini$/],
      [`GEMINI://LOCALHOST:${geminiPort}/`, /^20 /],
      [`gemini://${here}`, /^20 /],
      ["gemini://localhost/", /^53 /],
      [`gemini://other.test:${geminiPort}/`, /^53 /],
      [`gemini://127.0.0.1:${geminiPort}/`, /^53 /],
      [`https://${here}/`, /^53 /],
      ["/", /^20 /],
      ["relative", /^59 /],
      ["", /^59 /],
      [`gemini://user@${here}/`, /^59 /],
      [`gemini://${here}/#top`, /^59 /],
      [`gemini://${here}/${"x".repeat(1100)}`, /^59 /],
      [`gemini://${here}/%00`, /^59 /],
    ];
    for (const [uri, header] of table) assert.match((await ask(uri)).header, header, uri);
  });
});

test("A client that sends no name is served under an address only", async () => {
  await withCapsule({ routes: [HELLO] }, async ({ geminiPort }) => {
    const ask = (host: string) =>
      sendGemini(geminiPort, `gemini://${host}:${geminiPort}/\r\n`, { serverName: "" });
    assert.match((await ask("127.0.0.1")).header, /^20 /);
    assert.match((await ask("localhost")).header, /^53 /);
  });
});

test("Several sites share a port, each with its own certificate", async () => {
  const store = freshPath();
  const say = (body: string) => [route({ kind: "respond", code: 20, meta: "text/plain", body })];
  const sites = [
    capsuleSite({ routes: say("one"), hosts: ["one.test"] }, store),
    capsuleSite({ routes: say("two"), hosts: ["two.test", "*.two.test"] }, store),
  ];
  await withCapsule({ routes: [], sites }, async ({ geminiPort }) => {
    for (const [name, body] of [["one.test", "one"], ["two.test", "two"], ["a.two.test", "two"]]) {
      const serverName = name!;
      const reply = await sendGemini(geminiPort, `gemini://${name}:${geminiPort}/\r\n`, {
        serverName,
      });
      assert.equal(reply.body, body);
    }
    const connection = await dialGemini(geminiPort, { serverName: "two.test" });
    assert.equal(connection.certificate?.subject, "/CN=two.test");
    connection.destroy();
    const crossed = `gemini://one.test:${geminiPort}/\r\n`;
    const reply = await sendGemini(geminiPort, crossed, { serverName: "two.test" });
    assert.match(reply.header, /^53 /);
    await assert.rejects(dialGemini(geminiPort, { serverName: "three.test" }));
  });
});

test("A certificate that was made on first start is kept", async () => {
  const store = freshPath();
  const prints: (string | undefined)[] = [];
  for (let start = 0; start < 2; start++) {
    const sites = [capsuleSite({ routes: [HELLO] }, store)];
    await withCapsule({ routes: [], sites }, async ({ geminiPort }) => {
      const connection = await dialGemini(geminiPort);
      prints.push(connection.certificate?.sha256);
      connection.destroy();
    });
  }
  assert.match(prints[0] ?? "", /^[0-9a-f]{64}$/);
  assert.equal(prints[0], prints[1]);
});

test("A certificate from files is that of HTTPS: it changes with them, and its end is a metric", {
  skip,
}, async () => {
  const [first, second] = [selfSigned("/CN=first"), selfSigned("/CN=second")];
  const site = { ...capsuleSite({ routes: [HELLO] }, freshPath()), hosts: ["localhost", "b.test"] };
  const tls = { kind: "files", cert: freshPath(), key: freshPath() } as const;
  const put = ({ cert, key }: typeof first) => {
    writeFileSync(tls.cert, cert);
    writeFileSync(tls.key, key);
  };
  put(first);
  await withCapsule({ routes: [], sites: [{ ...site, tls }] }, async ({ geminiPort, admin }) => {
    const shown = async () => {
      const connection = await dialGemini(geminiPort);
      connection.destroy();
      return connection.certificate?.subject;
    };
    assert.equal(await shown(), "/CN=first");
    put(second);
    await waitUntil(async () => await shown() === "/CN=second", "the next handshake has it");
    const metrics = (await admin("/metrics")).body.toString();
    const lines = metrics.match(/^afcgi_certificate_expiry_seconds\{.*/gm) ?? [];
    assert.match(lines.join("\n"), /^\S+\{site="localhost",name="second"\} 1\d{5}$/);
  });
});

test("An application gets the parameters that Gemini's servers agree on", async () => {
  const routes = [
    route(
      { ...CGI_APP, strip: 1, scriptName: "/app", params: { X: "y", REMOTE_HOST: null } },
      "/app/*",
    ),
  ];
  const root = freshPath();
  mkdirSync(root);
  await withCapsule({ routes, root, application: echo }, async ({ geminiPort, ask }) => {
    const reply = await ask("/app/a%20b/?hello%20you");
    assert.equal(reply.header, "20 application/json;charset=utf-8".slice(0, reply.header.length));
    const { REMOTE_PORT, TLS_CIPHER, TLS_CIPHER_STRENGTH, SERVER_SOFTWARE, ...params } = JSON.parse(
      reply.body,
    );
    assert.deepEqual(params, {
      GATEWAY_INTERFACE: "CGI/1.1",
      SERVER_PROTOCOL: "GEMINI",
      SERVER_NAME: "localhost",
      SERVER_PORT: String(geminiPort),
      REQUEST_METHOD: "GET",
      GEMINI_URL: `gemini://localhost:${geminiPort}/app/a%20b/?hello%20you`,
      GEMINI_URL_PATH: "/app/a b/",
      GEMINI_SEARCH_STRING: "hello you",
      QUERY_STRING: "hello%20you",
      SCRIPT_NAME: "/app",
      PATH_INFO: "/a b/",
      REMOTE_ADDR: "127.0.0.1",
      AUTH_TYPE: "",
      TLS_VERSION: "TLSv1.3",
      X: "y",
    });
    assert.match(REMOTE_PORT, /^\d+$/);
    assert.match(TLS_CIPHER, /^TLS_/);
    assert.match(TLS_CIPHER_STRENGTH, /^(128|256)$/);
    assert.equal(SERVER_SOFTWARE, "afcgi/1.2.3");
    const form = JSON.parse((await ask("/app/?a=b")).body);
    assert.equal(form.GEMINI_SEARCH_STRING, undefined);
    assert.equal(form.QUERY_STRING, "a=b");
    const escaped = JSON.parse((await ask("/app/?a%3Db")).body);
    assert.equal(escaped.GEMINI_SEARCH_STRING, "a=b");
    assert.equal(JSON.parse((await ask("/app")).body).PATH_INFO, "");
  });
});

test("A client's certificate is told, and opens what it may", { skip }, async () => {
  const authority = selfSigned("/CN=Authority");
  const friend = signedBy(authority, "/CN=Friend");
  const below = signedBy(authority, "/CN=Below", "basicConstraints=critical,CA:TRUE");
  const cousin = signedBy(below, "/CN=Cousin");
  const relative = { cert: cousin.cert + below.cert, key: cousin.key };
  const forged = signedBy(friend, "/CN=Forged");
  const known = selfSigned("/CN=Known");
  const stranger = selfSigned("/CN=Stranger");
  const old = await makeSelfSigned("old", Date.now() - 30 * 365 * 86_400_000);
  const future = await makeSelfSigned("future", Date.now() + 365 * 86_400_000);
  let print = "";
  await withCapsule({ routes: [route(CGI_APP)], application: echo }, async ({ ask }) => {
    const params = JSON.parse((await ask("/", { identity: known })).body);
    assert.equal(params.AUTH_TYPE, "Certificate");
    assert.equal(params.REMOTE_USER, "/CN=Known");
    assert.equal(params.TLS_CLIENT_ISSUER, "/CN=Known");
    assert.match(params.TLS_CLIENT_HASH, /^SHA256:[0-9a-f]{64}$/);
    assert.match(params.TLS_CLIENT_SERIAL, /^[0-9A-F]+$/);
    assert.match(params.TLS_CLIENT_NOT_BEFORE, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.match(params.TLS_CLIENT_NOT_AFTER, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    print = params.TLS_CLIENT_HASH.slice("SHA256:".length);
  });
  const any = { required: true, ca: undefined, fingerprints: [] };
  const routes = [
    route(HELLO.handler, "/any", any),
    route(HELLO.handler, "/some", { ...any, ca: authority.certPath, fingerprints: [print] }),
    route(HELLO.handler, "/maybe", { ...any, required: false }),
  ];
  await withCapsule({ routes }, async ({ ask }) => {
    const codeOf = async (path: string, identity?: typeof old) =>
      (await ask(path, identity && { identity })).header.slice(0, 2);
    assert.equal(await codeOf("/any"), "60");
    assert.equal(await codeOf("/any", stranger), "20");
    assert.equal(await codeOf("/any", old), "62");
    assert.equal(await codeOf("/any", future), "62");
    assert.equal(await codeOf("/some"), "60");
    assert.equal(await codeOf("/some", stranger), "61");
    assert.equal(await codeOf("/some", known), "20");
    assert.equal(await codeOf("/some", friend), "20");
    assert.equal(await codeOf("/some", relative), "20", "by the chain that it shows");
    assert.equal(await codeOf("/some", { cert: forged.cert + friend.cert, key: forged.key }), "61");
    assert.equal(await codeOf("/maybe"), "20");
    assert.equal(await codeOf("/maybe", old), "62");
  });
});

test("Files are served with type and language, and nothing beside them", async () => {
  const root = freshPath();
  mkdirSync(join(root, "folder/empty"), { recursive: true });
  mkdirSync(join(root, "with index"));
  writeFileSync(join(root, "page.gmi"), "# Page\n");
  writeFileSync(join(root, "notes.txt"), "notes\n");
  writeFileSync(join(root, "image.png"), "png");
  writeFileSync(join(root, ".secret"), "secret");
  writeFileSync(join(root, "folder/a:b\n=> c.gmi"), "odd");
  writeFileSync(join(root, "with index/index.gmi"), "# Index\n");
  symlinkSync("/etc/passwd", join(root, "link.txt"));
  const files = { kind: "static", index: ["index.gmi"], listing: true, lang: "en" } as const;
  await withCapsule({ routes: [route(files)], root }, async ({ geminiPort, ask }) => {
    assert.deepEqual(await ask("/page.gmi"), {
      header: "20 text/gemini; charset=utf-8; lang=en",
      body: "# Page\n",
    });
    assert.equal((await ask("/notes.txt")).header, "20 text/plain; charset=utf-8; lang=en");
    assert.equal((await ask("/image.png")).header, "20 image/png");
    assert.equal((await ask("/with%20index/")).body, "# Index\n");
    assert.equal(
      (await ask("/with%20index?a")).header,
      `31 gemini://localhost:${geminiPort}/with%20index/?a`,
    );
    for (const path of ["/.secret", "/link.txt", "/none", "/page.gmi/", "/folder/.hidden/"]) {
      assert.equal((await ask(path)).header, "51 Not found", path);
    }
    const listing = (await ask("/folder/")).body;
    assert.equal(
      listing,
      "# /folder/\n\n=> ../ ..\n=> ./empty/ empty/\n" +
        "=> ./a%3Ab%0A%3D%3E%20c.gmi a:b\ufffd=> c.gmi\n",
    );
    const top = (await ask("/")).body;
    assert.doesNotMatch(top, /secret|link/);
    assert.match(top, /=> \.\/with%20index\/ with index\/\n/);
  });
});

test("A symlink out of the root is followed to a directory that is allowed, and to no other", async () => {
  const base = freshPath();
  const root = join(base, "capsule");
  const shared = join(base, "shared");
  for (const directory of [root, join(shared, "folder"), join(base, "private")]) {
    mkdirSync(directory, { recursive: true });
  }
  writeFileSync(join(shared, "page.gmi"), "# Shared\n");
  writeFileSync(join(shared, "folder/index.gmi"), "# Index\n");
  writeFileSync(join(shared, ".hidden"), "hidden");
  writeFileSync(join(base, "private/secret.txt"), "secret");
  symlinkSync("../shared", join(root, "shared"));
  symlinkSync("../private", join(root, "private"));
  symlinkSync("../private/secret.txt", join(shared, "out.txt"));
  const files = { kind: "static", index: ["index.gmi"], listing: true, lang: undefined } as const;
  const routes = [route(files)];
  await withCapsule({ routes, root, symlinkTargets: [shared] }, async ({ ask }) => {
    assert.equal((await ask("/shared/page.gmi")).body, "# Shared\n");
    assert.equal((await ask("/shared/folder/")).body, "# Index\n");
    assert.equal((await ask("/")).body, "# /\n\n=> ./shared/ shared/\n");
    assert.equal(
      (await ask("/shared/")).body,
      "# /shared/\n\n=> ../ ..\n=> ./folder/ folder/\n=> ./page.gmi page.gmi\n",
    );
    for (const path of ["/shared/.hidden", "/shared/out.txt", "/private/secret.txt", "/private"]) {
      assert.equal((await ask(path)).header, "51 Not found", path);
    }
  });
  await withCapsule({ routes, root }, async ({ ask }) => {
    assert.equal((await ask("/shared/page.gmi")).header, "51 Not found");
  });
});

test("A CGI response becomes a Gemini response where a route says so", async () => {
  const answer = (request: Request) => {
    const path = new URL(request.url).pathname.slice(1);
    if (path === "moved") return Response.redirect("gemini://other.test/", 301);
    if (path === "found") return new Response(null, { status: 302, headers: { location: "/x" } });
    const status = Number(path);
    return new Response("text", { status, headers: { "content-type": "text/plain" } });
  };
  await withCapsule({ routes: [route(CGI_APP)], application: answer }, async ({ ask }) => {
    const table: readonly (readonly [path: string, header: RegExp])[] = [
      ["/200", /^20 text\/plain$/],
      ["/moved", /^31 gemini:\/\/other\.test\/$/],
      ["/found", /^30 \/x$/],
      ["/401", /^60 /],
      ["/403", /^61 /],
      ["/404", /^51 /],
      ["/410", /^52 /],
      ["/418", /^50 /],
      ["/429", /^44 1$/],
      ["/500", /^42 /],
    ];
    for (const [path, header] of table) {
      const reply = await ask(path);
      assert.match(reply.header, header, path);
      assert.equal(reply.body, path === "/200" ? "text" : "", path);
    }
  });
});

test("An application that is not there is 43, and the metrics and logs tell it", async () => {
  const server = { ...LOOPBACK, port: 1 };
  await withCapsule({ routes: [route(TO_APP)], server }, async ({ ask, access, admin }) => {
    assert.match((await ask("/x")).header, /^43 /);
    const line = await access.ofPath("/x");
    assert.equal(line["status"], 43);
    assert.equal(line["code"], "connect_failed");
    assert.equal(line["upstream"], "app");
    assert.equal(line["protocol"], "gemini");
    const metrics = (await admin("/metrics")).body.toString();
    assert.match(metrics, /^afcgi_gemini_requests_total\{site="localhost",code="43"\} 1$/m);
  });
});

test("A route's META carries path, query, port and name, and cannot be written into", async () => {
  const meta = "gemini://%N:%P/a-new-place%p?%q%%";
  const routes = [route({ kind: "respond", code: 30, meta, body: "" })];
  await withCapsule({ routes }, async ({ geminiPort, ask }) => {
    assert.equal(
      (await ask("/a%0d%0Ab?x%0a")).header,
      `30 gemini://localhost:${geminiPort}/a-new-place/a%0D%0Ab?x%0A%`,
    );
    assert.match((await ask(`/${"x".repeat(995)}`)).header, /^40 /);
  });
});

test("A client over its requests a second gets 44 with seconds", async () => {
  const limits = { requestsPerSecondMax: 2 };
  await withCapsule({ routes: [HELLO], limits }, async ({ ask }) => {
    const headers = (await Promise.all(Array.from({ length: 20 }, () => ask("/"))))
      .map(({ header }) => header);
    assert.ok(headers.filter((header) => header.startsWith("20")).length >= 2);
    assert.ok(headers.includes("44 1"), headers.join());
  });
});

test("A client over its connections gets 44, and from twice as many on a close", async () => {
  const limits = { connectionsPerAddressMax: 1 };
  await withCapsule({ routes: [HELLO], limits }, async ({ geminiPort, ask, admin }) => {
    const first = await dialGemini(geminiPort);
    const second = await dialGemini(geminiPort);
    await assert.rejects(ask("/"));
    await second.writable.getWriter().write(
      new TextEncoder().encode(`gemini://localhost:${geminiPort}/\r\n`),
    );
    assert.equal((await readReply(second)).header, "44 1");
    const metrics = (await admin("/metrics")).body.toString();
    assert.match(metrics, /afcgi_gemini_dropped_total\{reason="too_many_connections"\} 1/);
    first.destroy();
  });
});

test("A listener takes no more connections than its limit", async () => {
  const limits = { connectionsMax: 1 };
  await withCapsule({ routes: [HELLO], limits }, async ({ geminiPort, ask }) => {
    const only = await dialGemini(geminiPort);
    await assert.rejects(ask("/"));
    await only.writable.getWriter().write(
      new TextEncoder().encode(`gemini://localhost:${geminiPort}/\r\n`),
    );
    assert.equal((await readReply(only)).body, "# Hello\n");
  });
});

test("A request that stays half and a plain TCP client are dropped, and block nobody", async () => {
  const limits = { requestTimeoutMs: 300 };
  await withCapsule({ routes: [HELLO], limits }, async ({ geminiPort, ask, admin }) => {
    const half = await dialGemini(geminiPort);
    await half.writable.getWriter().write(new TextEncoder().encode("gemini://localh"));
    const plain = createConnection(geminiPort, "127.0.0.1");
    plain.on("error", () => {});
    const plainClosed = new Promise((resolve) => plain.once("close", resolve));
    plain.resume();
    plain.write("gemini://localhost/\r\n");
    assert.equal((await ask("/")).body, "# Hello\n");
    assert.deepEqual(await readReply(half), { header: "", body: "" });
    await plainClosed;
    const metrics = (await admin("/metrics")).body.toString();
    assert.match(metrics, /afcgi_gemini_dropped_total\{reason="request_timeout"\} 1/);
    assert.match(metrics, /afcgi_gemini_dropped_total\{reason="handshake_failed"\} 1/);
  });
});

test("A whole response ends with close_notify", { skip }, async () => {
  await withCapsule({ routes: [HELLO] }, async ({ geminiPort }) => {
    const { text, ended } = await rawTls(geminiPort, `gemini://localhost:${geminiPort}/\r\n`, [
      "-servername",
      "localhost",
    ]);
    assert.equal(text, "20 text/gemini\r\n# Hello\n");
    assert.ok(ended);
  });
});

test("A stop lets a response finish and drops who has not asked", async () => {
  const gate = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  const application = async () => {
    reached.resolve();
    await gate.promise;
    return new Response("late");
  };
  await withCapsule({ routes: [route(CGI_APP)], application }, async ({ app, geminiPort, ask }) => {
    const reply = ask("/");
    await reached.promise;
    const silent = await dialGemini(geminiPort);
    const stopped = app.stop();
    assert.deepEqual(await readReply(silent), { header: "", body: "" });
    gate.resolve();
    assert.equal((await reply).body, "late");
    await stopped;
  });
});

test("A client's certificate without a subject is a certificate", { skip }, async () => {
  const identity = selfSigned("/");
  const routes = [route(CGI_APP)];
  await withCapsule({ routes, application: echo }, async ({ geminiPort }) => {
    const reply = await sendGemini(geminiPort, `gemini://localhost:${geminiPort}/\r\n`, {
      identity,
    });
    assert.match(reply.header, /^20 /);
    const sent = JSON.parse(reply.body);
    assert.deepEqual(
      [sent.AUTH_TYPE, sent.REMOTE_USER ?? "", sent.TLS_CLIENT_ISSUER ?? ""],
      ["Certificate", "", ""],
    );
    assert.match(sent.TLS_CLIENT_HASH, /^SHA256:[0-9a-f]{64}$/);
  });
});

test("An IPv6 address is a host with and without brackets, under any way to write it", async () => {
  for (const host of ["::1", "[::1]", "0:0:0:0:0:0:0:1"]) {
    const text = `
sites: [{ routes: [{ respond: {} }] }]
gemini:
  - listen: 127.0.0.1:0
    hosts: ["${host}"]
    tls: { self_signed: true, store: "${freshPath()}" }
    routes: [{ respond: { code: 20, meta: text/plain, body: six } }]
`;
    await withConfig({ text }, async ({ app }) => {
      const [address] = app.geminiAddresses;
      const port = address?.transport === "tcp" ? address.port : 0;
      for (const written of ["[::1]", "[0:0::1]", "[::0.0.0.1]"]) {
        const request = `gemini://${written}:${port}/\r\n`;
        const reply = await sendGemini(port, request, { serverName: "" });
        assert.equal(reply.body, "six", `${host} asked as ${written}: ${reply.header}`);
      }
      const other = await sendGemini(port, `gemini://[::2]:${port}/\r\n`, { serverName: "" });
      assert.match(other.header, /^53 /);
    });
  }
});
