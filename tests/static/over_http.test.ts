/** Files through the HTTP server, as a client gets them. */
import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import test from "node:test";
import { serveHttp1 } from "../../src/http1/server.ts";
import { currentRuntime } from "../../src/runtime/current.ts";
import { serveStatic } from "../../src/static/static_files.ts";
import { fetched, files, withDirectory } from "./directory.ts";

interface FileResponse {
  readonly status: number | undefined;
  readonly headers: Record<string, unknown>;
  readonly body: string;
}

/** Serves `/hello.txt`, ten bytes, and asks for it once with each set of header fields. */
async function ask(
  method: string,
  fields: readonly Record<string, string>[],
): Promise<FileResponse[]> {
  const responses: FileResponse[] = [];
  await withDirectory(async ({ root }) => {
    const options = { files, root, index: [], never: () => false };
    const listener = await serveHttp1(currentRuntime(), {
      address: { transport: "tcp", host: "127.0.0.1", port: 0 },
      requestHeadersLengthMax: 64 * 1024,
      handler: async (request) => {
        const response = await fetched(
          serveStatic(options, request, { path: "/hello.txt", query: "" }),
        );
        return response instanceof Response
          ? response
          : new Response(null, { status: response.status });
      },
    });
    try {
      assert.ok(listener.address.transport === "tcp");
      for (const headers of fields) {
        responses.push(await askOnce(listener.address.port, method, headers));
      }
    } finally {
      listener.destroy();
    }
  });
  return responses;
}

function askOnce(
  port: number,
  method: string,
  headers: Record<string, string>,
): Promise<FileResponse> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, method, headers, agent: false };
    const sent = httpRequest(options, (response) => {
      let body = "";
      response.setEncoding("latin1");
      response.on("data", (piece: string) => body += piece);
      response.on("error", reject);
      response.on("end", () => {
        resolve({ status: response.statusCode, headers: response.headers, body });
      });
    });
    sent.on("error", reject);
    sent.end();
  });
}

test("A file arrives whole, with its length", async () => {
  const [response] = await ask("GET", [{}]);
  assert.equal(response?.status, 200);
  assert.equal(response.headers["content-length"], "10");
  assert.equal(response.headers["content-type"], "text/plain; charset=utf-8");
  assert.equal(response.body, "0123456789");
});

test("HEAD arrives with the length of the file", async () => {
  const [response] = await ask("HEAD", [{}]);
  assert.equal(response?.status, 200);
  assert.equal(response.headers["content-length"], "10");
  assert.equal(response.body, "");
});

test("A range arrives as asked for", async () => {
  const [middle, end] = await ask("GET", [{ range: "bytes=2-4" }, { range: "bytes=-2" }]);
  assert.equal(middle?.status, 206);
  assert.equal(middle.headers["content-range"], "bytes 2-4/10");
  assert.equal(middle.headers["content-length"], "3");
  assert.equal(middle.body, "234");
  assert.equal(end?.headers["content-range"], "bytes 8-9/10");
  assert.equal(end.body, "89");
});

test("The file arrives whole where a range does not apply", async () => {
  const responses = await ask("GET", [
    { range: "bytes=2-4", "if-range": '"other"' },
    { range: "bytes=2-4", "if-range": "Thu, 01 Jan 1970 00:00:00 GMT" },
    { range: `bytes=${"0-1,".repeat(16)}3-4` },
    { range: "bytes=4-2" },
    { range: "lines=1-2" },
  ]);
  assert.equal(responses.length, 5);
  for (const response of responses) {
    assert.equal(response.status, 200);
    assert.equal(response.headers["content-range"], undefined);
    assert.equal(response.body, "0123456789");
  }
});

test("304 and 416 arrive without a body", async () => {
  const [whole] = await ask("GET", [{}]);
  const etag = String(whole?.headers["etag"]);
  const [same, beyond] = await ask("GET", [{ "if-none-match": etag }, { range: "bytes=10-" }]);
  assert.deepEqual([same?.status, same?.body], [304, ""]);
  assert.deepEqual([beyond?.status, beyond?.body], [416, ""]);
});

test("Several ranges arrive as parts, each with its place, in the order asked for", async () => {
  const [response] = await ask("GET", [{ range: "bytes=8-9,0-1" }]);
  assert.equal(response?.status, 206);
  assert.equal(response.headers["content-range"], undefined);
  const type = String(response.headers["content-type"]);
  const boundary = /^multipart\/byteranges; boundary=([\w-]+)$/.exec(type)?.[1];
  assert.ok(boundary);
  const part = (range: string, bytes: string) =>
    `\r\n--${boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
    `Content-Range: bytes ${range}/10\r\n\r\n${bytes}`;
  const body = `${part("8-9", "89")}${part("0-1", "01")}\r\n--${boundary}--\r\n`;
  assert.equal(response.body, body);
  assert.equal(response.headers["content-length"], String(body.length));
});

test("Ranges that make one are sent as one, those behind the end are left out", async () => {
  const responses = await ask("GET", [{ range: "bytes=0-3,2-4" }, { range: "bytes=0-4,10-" }]);
  assert.equal(responses.length, 2);
  for (const response of responses) {
    assert.equal(response.status, 206);
    assert.equal(response.headers["content-range"], "bytes 0-4/10");
    assert.equal(response.body, "01234");
  }
});
