/**
 * Sends a Fetch `Response` by `node:http`. A body that is there at once goes out whole with its
 * length; any other goes out as it comes, as fast as the client takes it. An answer that breaks off,
 * or is shorter than it said, cuts the connection.
 */
import { Buffer } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";

/** Longest body of pieces that are there at once to go out whole: Bun cuts one of 50 kB in three. */
const WHOLE_LENGTH_MAX = 1024 * 1024;

type Read = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>["read"]>>;

/** Resolves when the answer has gone or will never go. */
export async function sendNodeResponse(
  answer: Response,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { body, status } = answer;
  if (response.destroyed || message.method === "HEAD" || body === null) {
    await body?.cancel().catch(() => {});
    if (response.destroyed) return;
    const isBodiless = message.method === "HEAD" || status === 204 || status === 304;
    response.writeHead(status, fieldsOf(answer, isBodiless ? undefined : 0));
    response.end();
    return;
  }
  const reader = body.getReader();
  const gone = () => void reader.cancel().catch(() => {});
  response.on("close", gone);
  try {
    await sendBody(answer, reader, response);
  } catch {
    response.destroy();
  } finally {
    response.off("close", gone);
  }
}

async function sendBody(
  answer: Response,
  reader: ReadableStreamDefaultReader<Uint8Array>,
  response: ServerResponse,
): Promise<void> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  let reading = reader.read();
  for (;;) {
    const read = length > WHOLE_LENGTH_MAX ? undefined : await atOnce(reading);
    if (response.destroyed) return;
    if (read === undefined) break;
    if (read.done) {
      const declared = declaredLength(answer);
      if (declared !== undefined && declared !== length) throw new Error("Wrong length");
      response.writeHead(answer.status, fieldsOf(answer, length));
      response.end(joined(pieces));
      return;
    }
    pieces.push(read.value);
    length += read.value.length;
    reading = reader.read();
  }
  response.writeHead(answer.status, fieldsOf(answer, undefined));
  response.flushHeaders();
  await sendRest(answer, joined(pieces), reading, reader, response);
}

/** The pieces as one. */
function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}

async function sendRest(
  answer: Response,
  first: Uint8Array,
  next: Promise<Read>,
  reader: ReadableStreamDefaultReader<Uint8Array>,
  response: ServerResponse,
): Promise<void> {
  let length = first.length;
  if (length > 0) await write(response, first);
  for (let read = await next; !read.done; read = await reader.read()) {
    length += read.value.length;
    await write(response, read.value);
  }
  const declared = declaredLength(answer);
  if (declared !== undefined && declared !== length) throw new Error("Wrong length");
  response.end();
}

/** What is read within this turn of the event loop. */
function atOnce(reading: Promise<Read>): Promise<Read | undefined> {
  const turn = new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined)));
  return Promise.race([reading, turn]);
}

/** Resolves when the socket takes more, or never will. */
async function write(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  if (response.destroyed || response.write(bytes)) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
  });
}

function declaredLength({ headers }: Response): number | undefined {
  const text = headers.get("content-length");
  return text === null ? undefined : Number(text);
}

/** Names and values in turns, with a length where none is declared. */
function fieldsOf({ headers }: Response, length: number | undefined): string[] {
  const fields: string[] = [];
  headers.forEach((value, name) => {
    // Joined, these would be one.
    if (name !== "set-cookie") fields.push(name, value);
  });
  for (const cookie of headers.getSetCookie()) fields.push("set-cookie", cookie);
  if (length !== undefined && !headers.has("content-length")) {
    fields.push("content-length", String(length));
  }
  return fields;
}
