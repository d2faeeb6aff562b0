/** What becomes of an application's response on its way to the client, byte for byte. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Behaviour, FaultPeer, ResponseRecords } from "../support/fault_peer.ts";
import { freshPath, type Gateway, type GatewayOptions, withGateway } from "../support/gateway.ts";
import { HttpConnection, type HttpRequest } from "../support/raw_http.ts";

/** An application that answers each request with these bytes on STDOUT. */
async function withPeer(
  behaviour: Behaviour,
  use: (gateway: Gateway, peer: FaultPeer) => Promise<void>,
  options: Partial<GatewayOptions> = {},
): Promise<void> {
  const path = freshPath();
  const peer = await FaultPeer.start({ network: "unix", path });
  peer.behaviour = behaviour;
  try {
    await withGateway(
      { server: { transport: "unix", path }, ...options },
      (gateway) => use(gateway, peer),
    );
  } finally {
    await peer.stop();
  }
}

function answering(stdout: string | Uint8Array): Behaviour {
  return {
    onRequest: ({ id, connection }) =>
      connection.send(new ResponseRecords().stdout(id, stdout).stdoutEnd(id).end(id)),
  };
}

/** The response to one request, when the application says `stdout`. */
async function responseTo(stdout: string | Uint8Array, request: HttpRequest = {}) {
  let response;
  await withPeer(answering(stdout), async (gateway) => {
    response = await gateway.send(request);
  });
  return response!;
}

test("Status and headers arrive as the application wrote them", async () => {
  const response = await responseTo(
    'Status: 418 Teapot\r\nContent-Type: text/x-tea\r\nX-A: 1\r\nETag: "e"\r\n\r\ntea',
  );
  assert.equal(response.status, 418);
  assert.equal(response.headers.get("content-type"), "text/x-tea");
  assert.equal(response.headers.get("x-a"), "1");
  assert.equal(response.headers.get("etag"), '"e"');
  assert.equal(response.headers.has("status"), false);
  assert.equal(response.headers.get("content-length"), "3");
  assert.equal(response.body.toString(), "tea");
  assert.ok(response.complete);
});

test("Several Set-Cookie stay several", async () => {
  await withPeer(
    answering("Set-Cookie: a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT\r\nSet-Cookie: b=2\r\n\r\n"),
    async (gateway) => {
      const connection = await HttpConnection.open(gateway.port);
      await connection.send({});
      const { headers } = await connection.readHeaders();
      connection.destroy();
      // The reader joins fields of one name; a fold into one field would be no cookie any more.
      assert.equal(headers.get("set-cookie"), "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT, b=2");
    },
  );
});

test("A header's bytes beyond ASCII arrive as the application wrote them", async () => {
  const response = await responseTo(Buffer.concat([
    Buffer.from("X-Latin: "),
    Buffer.from([0xe9, 0x80, 0xff]),
    Buffer.from("\r\nX-Utf: €\r\n\r\n"),
  ]));
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("x-latin"), "\u00e9\u0080\u00ff");
  assert.equal(Buffer.from(response.headers.get("x-utf")!, "latin1").toString(), "€");
});

test("Every character that a header's name may have passes", async () => {
  const response = await responseTo("X-!#$%&'*+.^_`|~: odd\r\n\r\n");
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("x-!#$%&'*+.^_`|~"), "odd");
});

test("Headers of one hop stay here, those that Connection names with them", async () => {
  const response = await responseTo(
    "Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=1\r\nTransfer-Encoding: chunked\r\n" +
      "Upgrade: h2c\r\nTrailer: X-T\r\nTE: x\r\nProxy-Connection: close\r\nX-Kept: 1\r\n\r\nbody",
  );
  assert.equal(response.status, 200);
  assert.equal(response.body.toString(), "body");
  const added = ["date"];
  const names = [...response.headers.keys()].filter((name) => !added.includes(name)).sort();
  assert.deepEqual(names, ["content-length", "x-kept"]);
});

test("A response to HEAD has the header section of a GET's, its length too, and no body", async () => {
  for (const body of ["", "hello"]) {
    const stdout = `Content-Type: text/plain\r\nContent-Length: 5\r\nX-A: 1\r\n\r\n${body}`;
    await withPeer(answering(stdout), async (gateway) => {
      const connection = await HttpConnection.open(gateway.port);
      for (let count = 0; count < 2; count++) {
        await connection.send({ method: "HEAD", target: "/head" });
        const response = await connection.readResponse("HEAD");
        assert.equal(response.status, 200);
        assert.equal(response.headers.get("content-length"), "5");
        assert.equal(response.headers.get("x-a"), "1");
      }
      connection.destroy();
      const line = await gateway.access.ofPath("/head");
      assert.equal(line["bytes_out"], 0);
      assert.equal(line["method"], "HEAD");
    });
  }
});

for (const status of [204, 205, 304]) {
  test(`A response with status ${status} has no body, and the connection goes on`, async () => {
    const stdout = `Status: ${status}\r\nContent-Length: 4\r\nX-A: 1\r\n\r\nbody`;
    await withPeer(answering(stdout), async (gateway) => {
      const connection = await HttpConnection.open(gateway.port);
      for (let count = 0; count < 2; count++) {
        await connection.send({ target: "/none" });
        const headers = await connection.readHeaders();
        assert.equal(headers.status, status);
        assert.equal(headers.headers.get("x-a"), "1");
        const length = headers.headers.get("content-length");
        if (status === 204) assert.equal(length, undefined);
        if (status === 205) assert.equal(length, "0");
        if (status === 304) assert.ok([undefined, "4"].includes(length), length ?? "none");
      }
      connection.destroy();
      assert.equal((await gateway.access.ofPath("/none"))["bytes_out"], 0);
    });
  });

  test(`A body that goes on behind status ${status} holds nothing up`, async () => {
    let end = (): void => {};
    const behaviour: Behaviour = {
      onRequest({ id, connection }) {
        connection.send(new ResponseRecords().stdout(id, `Status: ${status}\r\n\r\nbody`));
        end = () => connection.send(new ResponseRecords().stdoutEnd(id).end(id));
      },
    };
    await withPeer(behaviour, async (gateway) => {
      const connection = await HttpConnection.open(gateway.port);
      await connection.send({ target: "/endless" });
      assert.equal((await connection.readHeaders()).status, status);
      connection.destroy();
      const line = await gateway.access.ofPath("/endless");
      assert.equal(line["bytes_out"], 0);
      assert.equal(line["code"], undefined);
      end();
    }, { shutdownGraceMs: 0 });
  });
}

for (const status of [600, 999]) {
  test(`A response with status ${status} goes on, whole and as a stream`, async () => {
    for (const isWhole of [true, false]) {
      const behaviour: Behaviour = {
        onRequest({ id, connection }) {
          connection.send(new ResponseRecords().stdout(id, `Status: ${status} Odd\r\n\r\nbody`));
          const end = () =>
            connection.send(new ResponseRecords().stdout(id, "!").stdoutEnd(id).end(id));
          if (isWhole) end();
          else setTimeout(end, 20);
        },
      };
      await withPeer(behaviour, async (gateway) => {
        const response = await gateway.send({ target: "/odd" });
        assert.equal(response.status, status);
        assert.equal(response.body.toString(), "body!");
        assert.equal((await gateway.access.ofPath("/odd"))["status"], status);
      });
    }
  });
}

test("Interim responses of the application are passed over", async () => {
  const response = await responseTo(
    "Status: 103 Early Hints\r\nLink: </a>\r\n\r\nStatus: 200\r\n\r\nlate",
  );
  assert.equal(response.status, 200);
  assert.equal(response.headers.has("link"), false);
  assert.equal(response.body.toString(), "late");
});

test("A redirect without a status is 302", async () => {
  const response = await responseTo("Location: /elsewhere\r\n\r\n");
  assert.equal(response.status, 302);
  assert.equal(response.headers.get("location"), "/elsewhere");
});

test("An empty response has length 0, and the connection goes on", async () => {
  await withPeer(answering("Content-Type: text/plain\r\n\r\n"), async (gateway) => {
    const connection = await HttpConnection.open(gateway.port);
    for (let count = 0; count < 2; count++) {
      await connection.send({});
      const response = await connection.readResponse();
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("content-length"), "0");
      assert.equal(response.complete, true);
    }
    connection.destroy();
  });
});

test("What the application writes to STDERR is logged line by line, with the request's id", async () => {
  const behaviour: Behaviour = {
    onRequest: ({ id, connection }) =>
      connection.send(
        new ResponseRecords().stderr(id, "first line\nsecond \u001b[31mline\nwithout end")
          .stdout(id, "Content-Type: text/plain\r\n\r\nbody").stdoutEnd(id).end(id),
      ),
  };
  await withPeer(behaviour, async (gateway) => {
    const response = await gateway.send({ target: "/stderr" });
    assert.equal(response.body.toString(), "body");
    const access = await gateway.access.ofPath("/stderr");
    await gateway.log.find((line) => line["msg"] === "without end");
    const lines = gateway.log.lines.filter((line) => line["source"] === "stderr");
    assert.deepEqual(
      lines.map((line) => line["msg"]),
      ["first line", "second \u001b[31mline", "without end"],
    );
    for (const line of lines) {
      assert.equal(line["request_id"], access["request_id"]);
      assert.equal(line["upstream"], "app");
      assert.equal(line["server"], access["server"]);
      assert.equal(line["level"], "warn");
    }
  });
});

test("A response that breaks off is cut, logged with its code and never ends cleanly", async () => {
  const behaviour: Behaviour = {
    onRequest({ id, connection }) {
      connection.send(new ResponseRecords().stdout(id, "Content-Type: text/plain\r\n\r\nhalf"));
      connection.close();
    },
  };
  await withPeer(behaviour, async (gateway) => {
    const response = await gateway.send({ target: "/half", method: "POST", body: "x" });
    assert.equal(response.status, 200);
    assert.equal(response.complete, false);
    const line = await gateway.access.ofPath("/half");
    assert.equal(line["code"], "connection_lost");
    assert.equal(line["status"], 200);
    const error = await gateway.log.find((each) =>
      String(each["msg"]).startsWith("Response broke")
    );
    assert.equal(error["level"], "error");
    assert.equal(error["request_id"], line["request_id"]);
  });
});

for (const declares of [true, false]) {
  const said = declares ? "of declared length keeps it" : "of no declared length arrives whole";
  test(`A long response ${said}`, async () => {
    const body = "x".repeat(50_000) + "end";
    const length = declares ? `Content-Length: ${body.length}\r\n` : "";
    const behaviour: Behaviour = {
      onRequest({ id, connection }) {
        const stdout = `Content-Type: text/plain\r\n${length}\r\n${body}`;
        connection.send(new ResponseRecords().stdout(id, stdout).end(id));
      },
    };
    await withPeer(behaviour, async (gateway) => {
      const response = await gateway.send({ target: "/long" });
      assert.equal(response.status, 200);
      assert.equal(response.complete, true);
      assert.equal(response.body.toString(), body);
      if (declares) assert.equal(response.headers.get("content-length"), String(body.length));
      assert.equal((await gateway.access.ofPath("/long"))["bytes_out"], body.length);
    });
  });
}
