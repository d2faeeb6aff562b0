/**
 * A route's authorizer: what it is sent, what its response does, and what becomes of its errors.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { GRANT_BODY_MAX } from "../../src/http/authorize.ts";
import { ProtocolStatus } from "../../src/protocol/constants.ts";
import { authorized } from "../../src/responder/authorized.ts";
import type { FastCgiHandler } from "../../src/responder/options.ts";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { FaultPeer, type PeerConnection, ResponseRecords } from "../support/fault_peer.ts";
import { echoParameters, freshPath, type Gateway } from "../support/gateway.ts";

const GUARDED = `${APP_UPSTREAM}
sites:
  - routes:
      - path: /private/*
        authorize: { upstream: app, params: { AREA: "\${match}", PATH_INFO: never } }
        fastcgi: { upstream: app, script_name: /private, params: { CONFIGURED: ours } }
`;

/** An application in two roles; `authorize` answers as the authorizer. */
function inTwoRoles(authorize: FastCgiHandler): FastCgiHandler {
  return (request, info) =>
    info.role === "authorizer" ? authorize(request, info) : echoParameters(request, info);
}

test("An authorizer's variables become parameters, before what the client sends", async () => {
  const application = inTwoRoles(() =>
    authorized({ REMOTE_USER: "J\u00f6rg", HTTP_X_ROLE: "guest", CONFIGURED: "theirs" })
  );
  await withConfig({ text: GUARDED, application }, async (gateway) => {
    const headers = { "X-Role": "admin", "Remote-User": "root" };
    const response = await gateway.send({ target: "/private/a", headers });
    const params = JSON.parse(response.body.toString());
    assert.equal(response.status, 200);
    assert.equal(params.REMOTE_USER, "J\u00f6rg");
    assert.equal(params.HTTP_X_ROLE, "guest");
    assert.equal(params.CONFIGURED, "ours");
    assert.equal(params.SCRIPT_NAME, "/private");
    assert.equal(params.PATH_INFO, "/a");
  });
});

test("An authorizer gets the request's parameters but those of its body and path", async () => {
  const seen: Record<string, string>[] = [];
  const application = inTwoRoles((request, info) => {
    assert.equal(request.body, null);
    seen.push(Object.fromEntries(info.params));
    return authorized();
  });
  await withConfig({ text: GUARDED, application }, async (gateway) => {
    const headers = { Authorization: "Bearer sesame", "Content-Type": "text/plain" };
    const response = await gateway.send({
      method: "POST",
      target: "/private/a?b=c",
      headers,
      body: "body",
    });
    assert.equal(JSON.parse(response.body.toString()).CONTENT_LENGTH, "4");
  });
  const [params] = seen;
  for (const name of ["CONTENT_LENGTH", "PATH_INFO", "PATH_TRANSLATED", "SCRIPT_NAME"]) {
    assert.equal(params?.[name], undefined, name);
  }
  assert.equal(params?.["REQUEST_METHOD"], "POST");
  assert.equal(params?.["REQUEST_URI"], "/private/a?b=c");
  assert.equal(params?.["QUERY_STRING"], "b=c");
  assert.equal(params?.["HTTP_AUTHORIZATION"], "Bearer sesame");
  assert.equal(params?.["AREA"], "a");
});

test("A response that is not 200 is the client's, with its fields and body", async () => {
  let handled = 0;
  const denials: Record<string, () => Response> = {
    "/private/401": () =>
      new Response("Who are you?\n", {
        status: 401,
        headers: { "www-authenticate": 'Basic realm="a"', "set-cookie": "a=1" },
      }),
    "/private/302": () => new Response(null, { status: 302, headers: { location: "/login" } }),
    "/private/201": () => new Response("Not 200 is not 200\n", { status: 201 }),
    "/private/204": () => new Response(null, { status: 204 }),
  };
  const application: FastCgiHandler = (_request, info) => {
    if (info.role === "authorizer") return denials[info.params.get("DOCUMENT_URI")!]!();
    handled++;
    return new Response("secret");
  };
  await withConfig({ text: GUARDED, application }, async (gateway) => {
    const asked = await gateway.send("/private/401");
    assert.deepEqual([asked.status, asked.body.toString()], [401, "Who are you?\n"]);
    assert.equal(asked.headers.get("www-authenticate"), 'Basic realm="a"');
    assert.equal(asked.headers.get("set-cookie"), "a=1");
    assert.equal((await gateway.access.ofPath("/private/401"))["upstream"], "app");
    const sent = await gateway.send("/private/302");
    assert.deepEqual([sent.status, sent.headers.get("location")], [302, "/login"]);
    assert.equal((await gateway.send("/private/201")).status, 201);
    assert.equal((await gateway.send("/private/204")).status, 204);
  });
  assert.equal(handled, 0);
});

test("Every handler can have an authorizer, and only its own route is asked", async () => {
  const root = freshPath();
  mkdirSync(root);
  writeFileSync(join(root, "file.txt"), "a file");
  const text = `${APP_UPSTREAM}
sites:
  - root: ${root}
    routes:
      - { path: /free, respond: { body: free } }
      - { path: /fixed, authorize: { upstream: app }, respond: { body: fixed } }
      - { path: /away, authorize: { upstream: app }, redirect: { to: /free } }
      - { path: /file.txt, authorize: { upstream: app }, static: {} }
`;
  const asked: string[] = [];
  const application: FastCgiHandler = (request, info) => {
    asked.push(`${info.role} ${info.params.get("DOCUMENT_URI")}`);
    const isMember = request.headers.get("x-member") === "yes";
    return isMember ? authorized() : new Response("no", { status: 403 });
  };
  await withConfig({ text, application }, async (gateway) => {
    const send = async (target: string, member: string) => {
      const { status } = await gateway.send({ target, headers: { "X-Member": member } });
      return status;
    };
    assert.deepEqual([await send("/free", "no"), asked], [200, []]);
    for (const target of ["/fixed", "/away", "/file.txt"]) {
      assert.equal(await send(target, "no"), 403);
    }
    assert.equal(await send("/fixed", "yes"), 200);
    assert.equal(await send("/away", "yes"), 302);
    assert.equal(await send("/file.txt", "yes"), 200);
    const { upstream } = await gateway.access.find((line) =>
      line["path"] === "/file.txt" && line["status"] === 200
    );
    assert.equal(upstream, undefined, "a file that was let through has no upstream");
  });
  assert.equal(asked.length, 6);
  assert.ok(asked.every((line) => line.startsWith("authorizer /")));
});

/** A gateway whose authorizer writes `answer` to each request, in front of a fixed text. */
async function withPeer(
  response: (id: number, connection: PeerConnection) => void,
  use: (gateway: Gateway) => Promise<void>,
): Promise<void> {
  const path = freshPath();
  const peer = await FaultPeer.start({ network: "unix", path });
  peer.behaviour = { onBegin: response };
  const text = `upstreams: { auth: { servers: ["unix:${path}"], multiplex: "on",
    timeouts: { first_byte: 200ms, idle: 200ms }, retry: { attempts: 1 } } }
sites: [{ routes: [{ authorize: { upstream: auth }, respond: { body: secret } }] }]
`;
  try {
    await withConfig({ text }, use);
  } finally {
    await peer.stop();
  }
}

/** What a client gets when the authorizer's STDOUT is this. */
async function responseTo(
  stdout: string,
  { status = 0, ends = true }: { status?: number; ends?: boolean } = {},
): Promise<string> {
  let got = "";
  await withPeer((id, connection) => {
    const response = new ResponseRecords();
    if (stdout !== "") response.stdout(id, Buffer.from(stdout, "latin1"));
    connection.send(ends ? response.stdoutEnd(id).end(id, status) : response);
    if (!ends) connection.close();
  }, async (gateway) => {
    const { status, body } = await gateway.send("/");
    const code = (await gateway.access.ofPath("/"))["code"];
    got = code === undefined ? `${status} ${body}` : `${status} ${code}`;
  });
  return got;
}

test("A 200 lets in, with or without a body, said or not said", async () => {
  assert.equal(await responseTo("Status: 200 OK\r\n\r\n"), "200 secret");
  assert.equal(await responseTo("Status: 200 OK\r\n\r\nwelcome"), "200 secret");
  assert.equal(await responseTo("Variable-A: b\n\n"), "200 secret");
});

test("An authorizer's half response lets nobody in", async () => {
  assert.equal(
    await responseTo("Status: 200 OK\r\n\r\nwel", { ends: false }),
    "502 connection_lost",
  );
  assert.equal(await responseTo("Status: 200 OK\r\n", { ends: false }), "502 connection_lost");
  assert.equal(
    await responseTo("Status: 200 OK\r\nContent-Length: 9\r\n\r\nwel"),
    "502 bad_answer",
  );
  assert.equal(await responseTo(""), "502 bad_answer");
});

test("A 200 that says nothing, or leads elsewhere, lets nobody in", async () => {
  const outputs = [
    "\n",
    "\r\n",
    "\nPerl has died at line 3",
    "Status: 200\nLocation: /login\n\n",
    "Location: /login\nStatus: 200\n\n",
    "X-Accel-Redirect: /login\n\n",
    "Status: 200\nX-ACCEL-Redirect: /login\nVariable-A: b\n\n",
    "X-Sendfile: /srv/login.html\n\n",
  ];
  for (const output of outputs) {
    assert.equal(await responseTo(output), "502 bad_answer", JSON.stringify(output));
  }
});

test("Variables that could be read in two ways let nobody in", async () => {
  for (
    const fields of [
      "Variable-A: 1\r\nVARIABLE-a: 2",
      "Variable-: 1",
      "Variable-A-B: 1\r\nVariable-A_B: 2",
      "Variable-A.B: 1",
      "Variable-Content-Length: 5",
      "Variable-1: 1",
      "Variable-Content_Length: 5",
    ]
  ) {
    assert.equal(await responseTo(`Status: 200\r\n${fields}\r\n\r\n`), "502 bad_answer", fields);
  }
});

test("The body beside a 200 has a bound", async () => {
  const headers = "Status: 200\r\n\r\n";
  assert.equal(await responseTo(headers + "x".repeat(GRANT_BODY_MAX)), "200 secret");
  await withPeer((id, connection) => {
    connection.send(new ResponseRecords().stdout(id, headers + "x".repeat(GRANT_BODY_MAX + 1)));
  }, async (gateway) => {
    assert.equal((await gateway.send("/")).status, 502);
    const { msg } = await gateway.log.find((line) => line["code"] === "bad_answer");
    assert.match(String(msg), /^Cannot take the authorizer's response: .* is over 65536 bytes$/);
  });
});

test("An authorizer that cannot be asked is 502, 503 or 504", async () => {
  assert.equal(await responseTo("", { status: ProtocolStatus.OVERLOADED }), "503 overloaded");
  assert.equal(await responseTo("", { status: ProtocolStatus.UNKNOWN_ROLE }), "502 unknown_role");
  await withPeer(() => {}, async (gateway) => {
    assert.equal((await gateway.send("/")).status, 504);
    assert.equal((await gateway.access.ofPath("/"))["upstream"], "auth");
  });
  const nobody = `upstreams: { auth: { servers: ["unix:${freshPath()}"], retry: { attempts: 1 } } }
sites: [{ routes: [{ authorize: { upstream: auth }, respond: { body: secret } }] }]
`;
  await withConfig({ text: nobody }, async (gateway) => {
    const { status, body } = await gateway.send("/");
    assert.ok(status === 502 || status === 503, String(status));
    assert.doesNotMatch(body.toString(), /secret/);
  });
});

test("What is handed over to a route with an authorizer meets it", async () => {
  const text = `${APP_UPSTREAM}
sites:
  - routes:
      - path: /inner/*
        internal: true
        authorize: { upstream: app }
        respond: { body: inner }
      - fastcgi: { upstream: app }
`;
  const application: FastCgiHandler = (request, info) => {
    if (info.role !== "authorizer") {
      return new Response(null, { headers: { "x-accel-redirect": "/inner/a" } });
    }
    assert.equal(info.params.get("DOCUMENT_URI"), "/inner/a");
    return request.headers.has("x-member") ? authorized() : new Response("no", { status: 403 });
  };
  await withConfig({ text, application }, async (gateway) => {
    assert.equal((await gateway.send("/")).status, 403);
    const { status, body } = await gateway.send({ headers: { "X-Member": "yes" } });
    assert.deepEqual([status, body.toString()], [200, "inner"]);
  });
});
