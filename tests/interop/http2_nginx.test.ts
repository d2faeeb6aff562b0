/**
 * The same responses of the same application over HTTP/2 from us and from nginx: where they end, and
 * what they say of their length. What nginx does differently stands in the test with its reason.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Afcgi } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import { FaultPeer, ResponseRecords } from "../support/fault_peer.ts";
import { requestFields } from "../support/http2_client.ts";
import { SocketHttp2Client } from "../support/http2_socket.ts";
import { missingPeer, PEER_PATH } from "../support/peers.ts";
import { freePort, temporaryDirectory, waitForListener } from "../support/places.ts";

const skip = missingPeer("nginx");

/** What the application says, by the path. */
const RESPONSES: Readonly<Record<string, string>> = {
  "/whole": "Content-Length: 5\r\n\r\n12345",
  "/unsaid": "Content-Type: text/plain\r\n\r\n12345",
  "/empty": "Content-Type: text/plain\r\n\r\n",
  "/none": "Status: 204\r\n\r\n",
  "/same": 'Status: 304\r\nETag: "x"\r\n\r\n',
  "/same-with-length": "Status: 304\r\nContent-Length: 5\r\n\r\n",
  "/long": "Content-Length: 3\r\n\r\n12345",
};

/** Less than it says. */
const SHORT = "Content-Length: 10\r\n\r\n12345";

interface Seen {
  readonly status: number;
  readonly body: string;
  readonly isWhole: boolean;
  readonly hasData: boolean;
  readonly length: string | undefined;
}

let afcgi: Afcgi;
let nginx: Child;
let nginxPort: number;
let peer: FaultPeer;

before(async () => {
  if (skip) return;
  const directory = temporaryDirectory();
  const path = join(directory, "app.sock");
  peer = await FaultPeer.start({ network: "unix", path });
  peer.behaviour = {
    onRequest: ({ id, params, connection }) => {
      const text = RESPONSES[params.get("REQUEST_URI") ?? ""] ?? SHORT;
      const [headers, body = ""] = text.split("\r\n\r\n");
      const sent = params.get("REQUEST_METHOD") === "HEAD" ? "" : body;
      const records = new ResponseRecords().stdout(id, `${headers}\r\n\r\n${sent}`);
      connection.send(records.stdoutEnd(id).end(id));
    },
  };
  nginxPort = await freePort();
  const config = join(directory, "nginx.conf");
  const temporary = ["client_body", "fastcgi", "proxy", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${directory}/${name};`).join(" ");
  writeFileSync(
    config,
    `${process.getuid?.() === 0 ? "user root;" : ""} daemon off; pid ${directory}/pid;
events {}
http {
  access_log off; ${temporary}
  server {
    listen 127.0.0.1:${nginxPort} http2;
    location / {
      fastcgi_pass unix:${path};
      fastcgi_keep_conn on;
      fastcgi_param REQUEST_URI $request_uri;
      fastcgi_param REQUEST_METHOD $request_method;
    }
  }
}
`,
  );
  nginx = new Child("nginx", ["-e", join(directory, "error.log"), "-p", directory, "-c", config], {
    cwd: directory,
    env: { PATH: PEER_PATH },
  });
  await waitForListener({ network: "tcp", host: "127.0.0.1", port: nginxPort });
  afcgi = await Afcgi.start({
    config: {
      upstreams: { app: { servers: [`unix:${path}`], multiplex: "off" } },
      sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
    },
  });
});

after(async () => {
  if (skip) return;
  await nginx.stop("SIGTERM");
  await afcgi.stop();
  await peer.stop();
});

async function ask(port: number, method: string, path: string): Promise<Seen> {
  const client = await SocketHttp2Client.open(port);
  const id = client.request(requestFields(method, path));
  const { status, body, isWhole, headers } = await client.whole(id);
  const seen = {
    status,
    body: new TextDecoder().decode(body),
    isWhole,
    hasData: client.of("DATA", id).some(({ payload }) => payload.length > 0),
    length: headers.get("content-length"),
  };
  client.destroy();
  return seen;
}

/** Where a length may be said, and where it need not be. */
function withoutLength({ length: _, ...rest }: Seen): Omit<Seen, "length"> {
  return rest;
}

for (const method of ["GET", "HEAD"]) {
  for (const path of Object.keys(RESPONSES)) {
    test(`${method} ${path} ends as it does from nginx`, { skip }, async () => {
      const [ours, theirs] = [
        await ask(afcgi.port, method, path),
        await ask(nginxPort, method, path),
      ];
      assert.deepEqual(withoutLength(ours), withoutLength(theirs));
      // We may know a length that nginx does not say, and never another one.
      if (theirs.length !== undefined) assert.equal(ours.length, theirs.length);
    });
  }
}

test(
  "A body that is shorter than it says is an error to us, and the whole to nginx",
  { skip },
  async () => {
    const [ours, theirs] = [
      await ask(afcgi.port, "GET", "/short"),
      await ask(nginxPort, "GET", "/short"),
    ];
    assert.deepEqual([ours.status, theirs.status], [502, 200]);
    // RFC 9113 section 8.1.1: its client must take that for malformed.
    assert.deepEqual([theirs.isWhole, theirs.body, theirs.length], [true, "12345", "10"]);
  },
);
