/**
 * Who is named in the access line: of all that have a part in a request the one whose response, or
 * fault, the client has. And whatever becomes of it, nobody else's response is left under way.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { formatAddress } from "../../src/runtime/address.ts";
import { withConfig } from "../support/configured.ts";
import { FaultPeer, ResponseRecords } from "../support/fault_peer.ts";
import { freshPath, type LogLine } from "../support/gateway.ts";
import { httpRequest } from "../support/raw_http.ts";
import { RawServer } from "../support/raw_server.ts";

/** What a peer says, and how it goes on: to its end, not at all, or by closing. */
interface Said {
  readonly text: string;
  readonly then?: "ends" | "stays" | "closes";
}

type Peer = "app" | "authorizer" | "server";

interface Scenario {
  readonly says: string;
  readonly target: string;
  readonly peers: Readonly<Partial<Record<Peer, Said>>>;
  readonly status: number;
  readonly code?: string;
  readonly blamed: Peer;
  readonly bytesOut?: number;
}

const FILE = freshPath();
writeFileSync(FILE, "a file");

const GOOD: Said = { text: "X-A: 1\n\ngood" };
const GRANTED: Said = { text: "Status: 200 OK\n\n" };
const NOTHING: Said = { text: "", then: "closes" };
const HTTP_GOOD: Said = { text: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood" };
const HTTP_HALF = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
const HTTP_ENDLESS = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";

const SCENARIOS: readonly Scenario[] = [
  {
    says: "an application that answers",
    target: "/app",
    peers: { app: GOOD },
    status: 200,
    blamed: "app",
    bytesOut: 4,
  },
  {
    says: "an application that says nothing",
    target: "/app",
    peers: { app: NOTHING },
    status: 502,
    code: "connection_lost",
    blamed: "app",
  },
  {
    says: "an application whose response breaks off",
    target: "/app",
    peers: { app: { text: "Content-Length: 9\n\nhalf", then: "closes" } },
    status: 200,
    code: "connection_lost",
    blamed: "app",
    bytesOut: 4,
  },
  {
    says: "an authorizer that denies",
    target: "/authorized",
    peers: { authorizer: { text: "Status: 401 No\n\nwho?" } },
    status: 401,
    blamed: "authorizer",
    bytesOut: 4,
  },
  {
    says: "an authorizer that says nothing",
    target: "/authorized",
    peers: { authorizer: NOTHING },
    status: 502,
    code: "connection_lost",
    blamed: "authorizer",
  },
  {
    says: "an authorizer whose response cannot be taken",
    target: "/authorized",
    peers: { authorizer: { text: "Status: 200 OK\nLocation: /x\n\nmore", then: "stays" } },
    status: 502,
    code: "bad_answer",
    blamed: "authorizer",
  },
  {
    says: "an application behind an authorizer that grants",
    target: "/authorized",
    peers: { authorizer: GRANTED, app: GOOD },
    status: 200,
    blamed: "app",
    bytesOut: 4,
  },
  {
    says: "an application that fails behind an authorizer that grants",
    target: "/authorized",
    peers: { authorizer: GRANTED, app: NOTHING },
    status: 502,
    code: "connection_lost",
    blamed: "app",
  },
  {
    says: "a server that is asked and denies",
    target: "/asked",
    peers: { server: { text: "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno" } },
    status: 403,
    blamed: "server",
    bytesOut: 2,
  },
  {
    says: "a server that is asked and says nothing",
    target: "/asked",
    peers: { server: NOTHING },
    status: 502,
    code: "connection_lost",
    blamed: "server",
  },
  {
    says: "a server that is asked and whose response cannot be taken",
    target: "/asked",
    peers: {
      server: {
        text: `${HTTP_ENDLESS}Remote-User: a\r\nRemote-User: b\r\n\r\n4\r\nbody\r\n`,
        then: "stays",
      },
    },
    status: 502,
    code: "bad_answer",
    blamed: "server",
  },
  {
    says: "an application behind a server that grants, and goes on",
    target: "/asked",
    peers: { server: { text: `${HTTP_ENDLESS}\r\n4\r\nbody\r\n`, then: "stays" }, app: GOOD },
    status: 200,
    blamed: "app",
    bytesOut: 4,
  },
  {
    says: "a server whose response breaks off",
    target: "/proxied",
    peers: { server: { text: HTTP_HALF, then: "closes" } },
    status: 200,
    code: "connection_lost",
    blamed: "server",
    bytesOut: 4,
  },
  {
    says: "a server that an application hands its request over to, and goes on itself",
    target: "/app",
    peers: {
      app: { text: "X-Accel-Redirect: /inner\n\nmine", then: "stays" },
      server: HTTP_GOOD,
    },
    status: 200,
    blamed: "server",
    bytesOut: 4,
  },
  {
    says: "an application that has a file sent in the place of its response, and goes on",
    target: "/app",
    peers: { app: { text: `X-Sendfile: ${FILE}\n\nmine`, then: "stays" } },
    status: 200,
    blamed: "app",
    bytesOut: 6,
  },
  {
    says: "a server whose response to a request that was handed over breaks off",
    target: "/app",
    peers: {
      app: { text: "X-Accel-Redirect: /inner\n\n" },
      server: { text: HTTP_HALF, then: "closes" },
    },
    status: 200,
    code: "connection_lost",
    blamed: "server",
    bytesOut: 4,
  },
];

const RETRY = "retry: { attempts: 0 }";
const LIMITS = `timeouts: { abort: 200ms }, ${RETRY}`;

function configOf(server: string): string {
  return `
upstreams:
  app: { servers: ["\${env.APP}"], multiplex: "on", ${LIMITS} }
  authorizer: { servers: ["\${env.AUTHORIZER}"], multiplex: "on", ${LIMITS} }
  server: { http: ["${server}"], ${RETRY} }
sites:
  - sendfile: ["${dirname(FILE)}"]
    routes:
      - { path: /authorized, authorize: { upstream: authorizer }, fastcgi: { upstream: app } }
      - path: /asked
        forward_auth: { upstream: server, uri: /verify, copy_headers: [remote-user] }
        fastcgi: { upstream: app }
      - { path: /proxied, proxy: { upstream: server } }
      - { path: /inner, internal: true, proxy: { upstream: server } }
      - { fastcgi: { upstream: app } }
`;
}

async function startPeer(said: Said | undefined): Promise<FaultPeer> {
  const peer = await FaultPeer.start({ network: "unix", path: freshPath() });
  peer.behaviour = {
    // An authorizer is sent no body.
    onBegin(id, connection) {
      assert.ok(said, "nobody should have asked");
      const { text, then = "ends" } = said;
      const records = new ResponseRecords();
      if (text !== "") records.stdout(id, text);
      connection.send(then === "ends" ? records.stdoutEnd(id).end(id) : records);
      if (then === "closes") connection.close();
    },
  };
  return peer;
}

async function lineOf({ target, peers }: Scenario): Promise<{ line: LogLine; addresses: object }> {
  const app = await startPeer(peers.app);
  const authorizer = await startPeer(peers.authorizer);
  const server = await RawServer.answering((_, served) => {
    assert.ok(peers.server, "nobody should have asked");
    served.write(peers.server.text);
    if (peers.server.then === "closes") served.end();
    return undefined;
  });
  const addressOf = ({ place }: FaultPeer) => place.network === "unix" ? `unix:${place.path}` : "";
  const addresses = {
    app: addressOf(app),
    authorizer: addressOf(authorizer),
    server: formatAddress(server.address),
  };
  let line: LogLine = {};
  try {
    const text = configOf(`127.0.0.1:${server.address.port}`);
    const env = { APP: addresses.app, AUTHORIZER: addresses.authorizer };
    await withConfig({ text, env }, async (gateway) => {
      await httpRequest(gateway.port, { target });
      line = await gateway.access.ofPath(target);
    });
  } finally {
    await app.stop();
    await authorizer.stop();
    await server.close();
  }
  return { line, addresses };
}

for (const scenario of SCENARIOS) {
  test(`The access line names ${scenario.says}`, async () => {
    const { status, code, blamed, bytesOut } = scenario;
    const { line, addresses } = await lineOf(scenario);
    assert.deepEqual(
      { status: line["status"], code: line["code"], upstream: line["upstream"] },
      { status, code, upstream: blamed },
    );
    assert.equal(line["server"], addresses[blamed as keyof typeof addresses]);
    if (bytesOut !== undefined) assert.equal(line["bytes_out"], bytesOut);
  });
}
