/** What routes say of the way to the application and back, as nginx's FastCGI module has it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withConfig } from "../support/configured.ts";
import { FaultPeer, type PeerRequest, ResponseRecords } from "../support/fault_peer.ts";
import { freshPath, type Gateway } from "../support/gateway.ts";
import { HttpConnection } from "../support/raw_http.ts";

type Behave = (request: PeerRequest) => void;

const say = (text: string): Behave => ({ id, connection }) =>
  connection.send(new ResponseRecords().stdout(id, text).stdoutEnd(id).end(id));

interface World {
  readonly gateway: Gateway;
  readonly peers: readonly FaultPeer[];
  readonly seen: ReadonlyMap<string, string>[];
}

/** A gateway whose route says `options`, before one application for each of the behaviours. */
async function withApplications(
  options: string,
  behaviours: readonly Behave[],
  use: (world: World) => Promise<void>,
): Promise<void> {
  const seen: ReadonlyMap<string, string>[] = [];
  const peers: FaultPeer[] = [];
  const places: string[] = [];
  for (const behave of behaviours) {
    const path = freshPath();
    const peer = await FaultPeer.start({ network: "unix", path });
    peer.behaviour = {
      onRequest: (request) => {
        seen.push(request.params);
        behave(request);
      },
    };
    peers.push(peer);
    places.push(JSON.stringify(`unix:${path}`));
  }
  const text = `
upstreams:
  app: { servers: [${places.join(", ")}], multiplex: "on", retry: { attempts: 3, delay: 0s } }
sites: [{ local_redirects: true, routes: [{ fastcgi: { upstream: app, ${options} } }] }]
`;
  try {
    await withConfig({ text }, (gateway) => use({ gateway, peers, seen }));
  } finally {
    for (const peer of peers) await peer.stop();
  }
}

const FIELDS = "Content-Type: text/plain\nX-Own: 1\nX-Other: 2\nX-Accel-Expires: 5\n" +
  "X-Accel-Buffering: no\n\nbody";

test("Clients get the fields of a response that a route lets through", async () => {
  const shown = ["x-own", "x-other", "x-accel-expires", "x-accel-buffering"];
  const cases: Readonly<Record<string, readonly string[]>> = {
    "script_name: ''": ["x-own", "x-other"],
    "hide_headers: [X-Own]": ["x-other"],
    "hide_headers: [x-own, X-OTHER]": [],
    "pass_headers: [X-Accel-Expires]": ["x-own", "x-other", "x-accel-expires"],
    "ignore_headers: [X-Accel-Expires]": ["x-own", "x-other"],
    "ignore_headers: [x-accel-expires], pass_headers: [x-accel-expires]": [
      "x-own",
      "x-other",
      "x-accel-expires",
    ],
  };
  for (const [options, expected] of Object.entries(cases)) {
    await withApplications(options, [say(FIELDS)], async ({ gateway }) => {
      for (const method of ["GET", "GET", "HEAD"]) {
        const { headers, status } = await gateway.send({ method });
        assert.equal(status, 200);
        assert.deepEqual(shown.filter((name) => headers.has(name)), expected, options);
      }
    });
  }
});

test("A field that is ignored is not obeyed", async () => {
  const redirect = say("X-Accel-Redirect: /nowhere\nContent-Type: text/plain\n\nown");
  await withApplications("ignore_headers: [x-accel-redirect]", [redirect], async ({ gateway }) => {
    const response = await gateway.send("/");
    assert.deepEqual([response.status, response.body.toString()], [200, "own"]);
    assert.equal(response.headers.get("x-accel-redirect"), undefined);
  });
  const sendfile = say("X-Sendfile: /etc/passwd\n\nown");
  await withApplications("ignore_headers: [X-Sendfile]", [sendfile], async ({ gateway }) => {
    assert.equal((await gateway.send("/")).body.toString(), "own");
  });
  await withApplications("script_name: ''", [sendfile], async ({ gateway }) => {
    assert.equal((await gateway.send("/")).status, 502);
  });
});

test("X-Accel-Charset gives the type its charset", async () => {
  const cases: readonly (readonly [type: string, charset: string, seen: string])[] = [
    ["text/html", "koi8-r", "text/html; charset=koi8-r"],
    ["text/html; charset=utf-8", "koi8-r", "text/html; charset=koi8-r"],
    ['text/html; charset="utf-8"; x=y', "koi8-r", "text/html; x=y; charset=koi8-r"],
    ["text/html; charset=utf-8", "off", "text/html; charset=utf-8"],
    ["text/html", 'a"; b', "text/html"],
  ];
  for (const [type, charset, seen] of cases) {
    const script = say(`Content-Type: ${type}\nX-Accel-Charset: ${charset}\n\nx`);
    await withApplications("script_name: ''", [script], async ({ gateway }) => {
      assert.equal((await gateway.send("/")).headers.get("content-type"), seen);
    });
  }
});

test("Body and header fields of a request stay here where a route says so", async () => {
  const ok = say("X-A: b\n\nok");
  const post = { method: "POST", body: "hello", headers: { "X-Secret": "1", Cookie: "a=b" } };
  await withApplications("pass_request_body: false", [ok], async ({ gateway, seen }) => {
    assert.equal((await gateway.send(post)).status, 200);
    assert.equal(seen[0]!.get("CONTENT_LENGTH"), undefined);
    assert.equal(seen[0]!.get("HTTP_X_SECRET"), "1");
    const chunked = await gateway.send({ ...post, chunked: true });
    assert.equal(chunked.status, 200);
  });
  const headers = "pass_request_headers: false, params: { SEEN: '${request.header.x-secret}' }";
  await withApplications(headers, [ok], async ({ gateway, seen }) => {
    assert.equal((await gateway.send(post)).status, 200);
    const [params] = seen;
    assert.deepEqual([...params!.keys()].filter((name) => name.startsWith("HTTP_")), []);
    assert.equal(params!.get("CONTENT_LENGTH"), "5");
    assert.equal(params!.get("SEEN"), "1");
    assert.equal(params!.get("SERVER_NAME"), "test.example");
  });
});

test("Another server gets a request after what the route names", async () => {
  const status = (code: number): Behave => say(`Status: ${code}\n\nfrom ${code}`);
  const lost: Behave = ({ connection }) => connection.reset();
  const silent: Behave = say("no header section");
  const good = say("X-A: b\n\ngood");
  const cases: readonly (readonly [options: string, first: Behave, seen: string])[] = [
    ["next_upstream: [http_503]", status(503), "200 good"],
    ["next_upstream: [http_500]", status(503), "503 from 503"],
    ["script_name: ''", status(503), "503 from 503"],
    ["next_upstream: [http_404, error]", status(404), "200 good"],
    ["next_upstream: [error]", lost, "200 good"],
    ["next_upstream: [off]", lost, "502"],
    ["next_upstream: [timeout]", lost, "502"],
    ["next_upstream: [invalid_header]", silent, "200 good"],
    ["next_upstream: [error]", silent, "502"],
  ];
  for (const [options, first, expected] of cases) {
    // Whichever is asked first, each has its turn.
    await withApplications(options, [first, good], async ({ gateway }) => {
      const responses = new Set<string>();
      for (let count = 0; count < 4; count++) {
        const { status, body } = await gateway.send("/");
        responses.add(status === 502 ? "502" : `${status} ${body}`);
      }
      const wanted = expected === "200 good" ? ["200 good"] : ["200 good", expected];
      assert.deepEqual([...responses].sort(), wanted.sort(), options);
    });
  }
});

test("A request that changes something goes once, unless the route says otherwise", async () => {
  const failing = say("Status: 503\n\nfailing");
  const post = { method: "POST", body: "x" };
  for (const [options, count] of [["http_503", 1], ["http_503, non_idempotent", 2]] as const) {
    const behaviours = [failing, failing];
    await withApplications(`next_upstream: [${options}]`, behaviours, async ({ gateway, seen }) => {
      const response = await gateway.send(post);
      assert.deepEqual([response.status, response.body.toString()], [503, "failing"]);
      assert.equal(seen.length, count, options);
    });
  }
});

test("A text on STDERR before the response is an error, in whatever pieces it comes", async () => {
  const pieces: readonly (readonly string[])[] = [
    ["PHP Fatal error: x\n"],
    ["PHP Fa", "tal error"],
    ["x".repeat(5_000), "PHP Fatal", " error"],
  ];
  for (const written of pieces) {
    const failing: Behave = ({ id, connection }) => {
      for (const piece of written) connection.send(new ResponseRecords().stderr(id, piece));
      connection.send(new ResponseRecords().stdout(id, "X-A: b\n\nfine").stdoutEnd(id).end(id));
    };
    await withApplications('catch_stderr: ["Fatal error"]', [failing], async ({ gateway }) => {
      const response = await gateway.send("/");
      assert.equal(response.status, 502);
      assert.equal((await gateway.access.ofPath("/"))["code"], "bad_answer");
    });
    await withApplications("catch_stderr: [Other]", [failing], async ({ gateway }) => {
      assert.equal((await gateway.send("/")).body.toString(), "fine");
    });
  }
  const failing: Behave = ({ id, connection }) =>
    connection.send(
      new ResponseRecords().stderr(id, "Fatal").stdout(id, "X-A: b\n\nx").stdoutEnd(id).end(id),
    );
  const options = "catch_stderr: [Fatal], next_upstream: [invalid_header]";
  await withApplications(options, [failing, say("X-A: b\n\ngood")], async ({ gateway }) => {
    for (let count = 0; count < 3; count++) {
      assert.equal((await gateway.send("/")).body.toString(), "good");
    }
  });
});

test("An application goes on without its client where the route says so", async () => {
  for (const ignores of [false, true]) {
    const begun = Promise.withResolvers<PeerRequest>();
    const options = `ignore_client_abort: ${ignores}`;
    await withApplications(options, [(request) => begun.resolve(request)], async ({ gateway }) => {
      const client = await HttpConnection.open(gateway.port);
      await client.send({ target: "/long" });
      const { id, connection } = await begun.promise;
      client.destroy();
      if (!ignores) {
        // The application is told to stop, and the line says why.
        assert.equal((await gateway.access.ofPath("/long"))["code"], "client_gone");
        connection.send(new ResponseRecords().end(id));
        return;
      }
      connection.send(new ResponseRecords().stdout(id, "X-A: b\n\nlate").stdoutEnd(id).end(id));
      const line = await gateway.access.ofPath("/long");
      assert.deepEqual([line["status"], line["code"]], [200, undefined]);
    });
  }
});
