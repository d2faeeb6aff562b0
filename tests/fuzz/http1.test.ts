/**
 * Invariant of the HTTP server, whatever a client sends and however it is cut: it gives responses and
 * at most one refusal at the end, never an exception, and keeps no more than its bounds. What the
 * handler sees, and what goes out, does not depend on the cut.
 *
 * What it takes, `node:http` reads alike: method, target, fields and body.
 */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { isSameHost } from "../../src/http1/request_headers.ts";
import { fromLatin1, latin1 } from "../../src/protocol/byte_buffer.ts";
import { BytesResponse } from "../../src/runtime/http_response.ts";
import { cut, offsetsIn } from "../support/fragments.ts";
import { http1World, settle } from "../support/http1_world.ts";
import { runCount } from "../support/long_runs.ts";

const RUNS = { numRuns: runCount(400, 50_000) };
const SAME_AS_NODE_RUNS = { numRuns: runCount(150, 10_000) };

/** Requests of all kinds, to be mutated. */
const SEEDS = [
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "\r\n\r\nHEAD /b?c=%20 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
  "POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
  "PUT /d HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n" +
  "3;x=y\r\nabc\r\n0a\r\n0123456789\r\n0\r\nT: x\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nHost: a\r\nCookie: a\r\nCookie: b\r\nAccept:\t x \r\n\r\n",
  "GET http://a/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
];

/** What makes requests ambiguous. */
const TOKENS = [
  "\r",
  "\n",
  "\r\n",
  "\r\n\r\n",
  " ",
  "\t",
  ":",
  "\0",
  "0",
  "\r\n0\r\n\r\n",
  ";",
  ",",
]
  .concat(["Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Host: b\r\n", "\u00e9"])
  .concat(["HTTP/1.1", "HTTP/1.0", "GET / HTTP/1.1\r\n", "fffffffff", "-", "+"]);

interface Change {
  readonly at: number;
  readonly length: number;
  readonly text: string;
}

/** Some requests one behind the other, with some of their bytes replaced. */
const sent: fc.Arbitrary<string> = fc.record({
  parts: fc.array(fc.constantFrom(...SEEDS), { minLength: 1, maxLength: 4 }),
  changes: fc.array(
    fc.record<Change>({
      at: fc.nat(400),
      length: fc.nat(6),
      text: fc.oneof(fc.constantFrom(...TOKENS), fc.string({ maxLength: 4 }).map(asLatin1)),
    }),
    { maxLength: 4 },
  ),
}).map(({ parts, changes }) =>
  changes.reduce(
    (text, { at, length, text: put }) =>
      text.slice(0, at % (text.length + 1)) + put + text.slice(at % (text.length + 1) + length),
    parts.join(""),
  )
);

function asLatin1(text: string): string {
  return text.replace(/[^\0-\xff]/g, "?");
}

/** Sends the pieces to a server in memory; what its handler saw and its client got. */
async function exchange(pieces: readonly Uint8Array[]): Promise<{ seen: string[]; got: string }> {
  const seen: string[] = [];
  const { open, failures, errors } = await http1World(async (request) => {
    const { method, headers } = request;
    const line = `${method} ${request.url} ${JSON.stringify([...headers])}`;
    const index = seen.push(line) - 1;
    const body = fromLatin1(new Uint8Array(await new Response(request.body).arrayBuffer()));
    seen[index] += ` ${JSON.stringify(body)}`;
    return new BytesResponse(200, [], latin1(body));
  });
  const socket = open();
  for (const piece of pieces) {
    socket.send(piece);
    // As sockets do: what is paused gives nothing more.
    for (let turn = 0; socket.isPaused && turn < 20; turn++) await settle();
  }
  await settle();
  assert.deepEqual(failures, []);
  assert.ok(errors.length <= 1);
  return { seen, got: socket.text.replaceAll("HTTP/1.1 100 Continue\r\n\r\n", "") };
}

test("Whatever comes, and however it is cut, is read alike and never an exception", async () => {
  const cutSomehow = sent.chain((text) =>
    fc.record({ text: fc.constant(text), offsets: offsetsIn(latin1(text)) })
  );
  await fc.assert(
    fc.asyncProperty(cutSomehow, async ({ text, offsets }) => {
      const bytes = latin1(text);
      const whole = await exchange([bytes]);
      const pieces = await exchange(cut(bytes, offsets).filter(({ length }) => length > 0));
      // A body that turns out malformed may have reached its handler before.
      const settled = ({ seen }: { readonly seen: string[] }) =>
        seen.filter((line) => /"$/.test(line));
      assert.deepEqual(settled(pieces), settled(whole));
      assert.equal(pieces.got, whole.got);
    }),
    RUNS,
  );
});

test("What we take, node:http reads alike, or refuses", async () => {
  let onRequest!: (line: string) => void;
  const server = createServer({ requireHostHeader: false }, (request, response) => {
    const parts: Uint8Array[] = [];
    request.on("data", (piece: Uint8Array) => parts.push(piece));
    request.on("end", () => {
      const { method, url, rawHeaders } = request;
      const body = fromLatin1(new Uint8Array(Buffer.concat(parts)));
      onRequest(
        JSON.stringify([
          method,
          withoutOrigin(url!),
          fieldsOf(withTargetHost(rawHeaders, url!)),
          body,
        ]),
      );
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  try {
    await fc.assert(
      fc.asyncProperty(sent, async (text) => {
        const ours = await oursOf(text);
        const theirs: string[] = [];
        onRequest = (line) => void theirs.push(line);
        await new Promise<void>((resolve) => {
          const socket = connect(port, "127.0.0.1", () => socket.end(latin1(text)));
          socket.on("data", () => {});
          socket.on("error", () => {});
          socket.on("close", () => resolve());
        });
        // Who refuses, or waits for more, does not see a request of its own.
        const count = Math.min(ours.length, theirs.length);
        assert.deepEqual(theirs.slice(0, count), ours.slice(0, count));
      }),
      SAME_AS_NODE_RUNS,
    );
  } finally {
    server.close();
  }
});

/** A target may be a URL. */
function withoutOrigin(target: string): string {
  return target.replace(/^https?:\/\/[^/?#]*/i, "");
}

/** node:http tells the Host field, where a target in absolute form has the host that counts. */
function withTargetHost(raw: readonly string[], target: string): string[] {
  const [, scheme, named] = /^(https?):\/\/([^/?#]*)/i.exec(target) ?? [];
  return raw.map((value, index) => {
    const isHost = index % 2 === 1 && raw[index - 1]!.toLowerCase() === "host";
    if (!isHost || scheme === undefined || named === undefined) return value;
    return isSameHost(scheme.toLowerCase(), named, value) ? value : named;
  });
}

/** Repeated fields joined, as Fetch has them. */
function fieldsOf(raw: readonly string[]): string {
  const fields = new Map<string, string>();
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index]!.toLowerCase();
    const before = fields.get(name);
    const value = raw[index + 1]!;
    fields.set(
      name,
      before === undefined ? value : before + (name === "cookie" ? "; " : ", ") + value,
    );
  }
  return JSON.stringify([...fields]);
}

async function oursOf(text: string): Promise<string[]> {
  const seen: string[] = [];
  const { open } = await http1World(async (request) => {
    const { method, url, headers } = request;
    const host = headers.get("host");
    const origin = `http://${host}`;
    const target = host !== null && url.startsWith(origin)
      ? url.slice(origin.length)
      : withoutOrigin(url);
    const body = fromLatin1(new Uint8Array(await new Response(request.body).arrayBuffer()));
    seen.push(JSON.stringify([method, target, JSON.stringify([...headers]), body]));
    return new BytesResponse(200, [], new Uint8Array(0));
  });
  open().send(latin1(text));
  await settle();
  return seen;
}
