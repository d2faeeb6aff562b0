/**
 * An HTTP/1.1 client over a socket that hides nothing: it sends the bytes that it is told, also
 * malformed ones, and it says whether a response was complete or cut. A connection may be left at
 * any point. Interim responses (1xx) are passed over.
 */
import { connect, type Socket } from "node:net";

/** How long any single read may take; far above what a test waits for on purpose. */
const READ_LIMIT_MS = 30_000;

export interface HttpHeaders {
  /** As it came, with the empty line. */
  readonly text: string;
  readonly status: number;
  /** Names in lower case; fields of the same name are joined with ", ". */
  readonly headers: ReadonlyMap<string, string>;
}

export interface HttpResponse extends HttpHeaders {
  readonly body: Buffer;
  /** False: the connection ended before the length or the last chunk said so. */
  readonly complete: boolean;
}

export interface HttpRequest {
  readonly method?: string;
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Sends the body with chunked coding instead of a Content-Length. */
  readonly chunked?: boolean;
}

/** The bytes of a request's header section; the body's framing is added where there is a body. */
export function requestHeaders(request: HttpRequest): string {
  const headers: Record<string, string> = { Host: "test.example", ...request.headers };
  if (request.body !== undefined) {
    if (request.chunked) headers["Transfer-Encoding"] = "chunked";
    else headers["Content-Length"] = String(Buffer.byteLength(request.body));
  }
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${request.method ?? "GET"} ${request.target ?? "/"} HTTP/1.1\r\n${fields.join("")}\r\n`;
}

/** One request on a connection of its own. */
export async function httpRequest(port: number, request: HttpRequest): Promise<HttpResponse> {
  const connection = await HttpConnection.open(port);
  try {
    await connection.send(request);
    return await connection.readResponse(request.method);
  } finally {
    connection.destroy();
  }
}

/** Bytes as they are, and the response to them. */
export async function rawRequest(port: number, bytes: string | Uint8Array): Promise<HttpResponse> {
  const connection = await HttpConnection.open(port);
  try {
    await connection.write(bytes);
    return await connection.readResponse();
  } finally {
    connection.destroy();
  }
}

/** A client's connection. */
export class HttpConnection {
  readonly #socket: Socket;
  readonly #pieces: Buffer[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => {
      this.#pieces.push(bytes);
      this.#wake?.();
    });
    const end = () => {
      this.#ended = true;
      this.#wake?.();
    };
    socket.on("end", end);
    socket.on("close", end);
  }

  static open(port: number, host = "127.0.0.1"): Promise<HttpConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, host);
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        // What breaks is seen by who reads: the response is then cut.
        socket.on("error", () => {});
        socket.setNoDelay(true);
        resolve(new HttpConnection(socket));
      });
    });
  }

  /** Over a socket that is connected, such as one with TLS. */
  static over(socket: Socket): HttpConnection {
    socket.on("error", () => {});
    return new HttpConnection(socket);
  }

  /** Resolves when the bytes are taken, or when they never will be. */
  async write(bytes: string | Uint8Array): Promise<void> {
    if (this.#socket.destroyed || this.#socket.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#socket.off("drain", done);
        this.#socket.off("close", done);
        resolve();
      };
      this.#socket.on("drain", done);
      this.#socket.on("close", done);
    });
  }

  async send(request: HttpRequest): Promise<void> {
    await this.write(requestHeaders(request));
    if (request.body === undefined) return;
    if (!request.chunked) return await this.write(request.body);
    const body = Buffer.from(request.body);
    for (let start = 0; start < body.length; start += CHUNK_LENGTH) {
      await this.writeChunk(body.subarray(start, start + CHUNK_LENGTH));
    }
    await this.write("0\r\n\r\n");
  }

  async writeChunk(bytes: Uint8Array): Promise<void> {
    await this.write(`${bytes.length.toString(16)}\r\n`);
    await this.write(bytes);
    await this.write("\r\n");
  }

  /** Leaves: both directions end, whatever is under way. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Stops reading, as a slow client does. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** All bytes until the server ends the connection, as they are. */
  async readToEnd(): Promise<string> {
    const pieces: Uint8Array[] = [];
    for await (const piece of this.#untilClose({ complete: false })) pieces.push(piece);
    return Buffer.concat(pieces).toString("latin1");
  }

  /** What comes up to and with `mark`. @throws when the connection ends before */
  async readUntil(mark: string): Promise<string> {
    const text = await this.#readThrough(mark);
    if (text === undefined) throw new Error(`Cannot read up to ${JSON.stringify(mark)}`);
    return text.toString("latin1");
  }

  /** Sends nothing more; the server may. */
  end(): void {
    this.#socket.end();
  }

  async readResponse(method = "GET"): Promise<HttpResponse> {
    const headers = await this.readHeaders();
    const body = this.readBody(headers, method);
    const pieces: Uint8Array[] = [];
    for await (const piece of body.pieces) pieces.push(piece);
    return { ...headers, body: Buffer.concat(pieces), complete: body.complete };
  }

  /** @throws when the connection ends before a whole header section */
  async readHeaders(): Promise<HttpHeaders> {
    for (;;) {
      const headers = await this.readAnyHeaders();
      if (headers.status >= 200) return headers;
    }
  }

  /** The next header section, be it an interim one; throws as `readHeaders` does. */
  async readAnyHeaders(): Promise<HttpHeaders> {
    const text = (await this.#readThrough("\r\n\r\n"))?.toString("latin1");
    if (text === undefined) throw new Error("Cannot read a response: the connection has ended");
    return parseHeaders(text);
  }

  /** The body in pieces; `complete` is right once they have ended. */
  readBody(headers: HttpHeaders, method = "GET"): HttpBody {
    const length = headers.headers.get("content-length");
    const chunked = headers.headers.get("transfer-encoding")?.toLowerCase() === "chunked";
    const bodiless = method === "HEAD" || headers.status === 204 || headers.status === 304;
    const body = { complete: bodiless } as { complete: boolean };
    const pieces = bodiless
      ? none()
      : chunked
      ? this.#chunked(body)
      : length === undefined
      ? this.#untilClose(body)
      : this.#counted(Number(length), body);
    return Object.assign(body, { pieces });
  }

  async *#counted(length: number, body: { complete: boolean }): AsyncGenerator<Uint8Array> {
    let left = length;
    while (left > 0) {
      const piece = await this.#readUpTo(left);
      if (piece === undefined) return;
      left -= piece.length;
      yield piece;
    }
    body.complete = true;
  }

  async *#chunked(body: { complete: boolean }): AsyncGenerator<Uint8Array> {
    for (;;) {
      const line = await this.#readThrough("\r\n");
      if (line === undefined) return;
      let left = parseInt(line.toString("latin1"), 16);
      if (left === 0) {
        // No trailer is expected, so the next line is the empty one.
        body.complete = (await this.#readThrough("\r\n")) !== undefined;
        return;
      }
      while (left > 0) {
        const piece = await this.#readUpTo(left);
        if (piece === undefined) return;
        left -= piece.length;
        yield piece;
      }
      if ((await this.#readThrough("\r\n")) === undefined) return;
    }
  }

  /** Without any framing the end of the connection is the end of the body. */
  async *#untilClose(body: { complete: boolean }): AsyncGenerator<Uint8Array> {
    for (;;) {
      const piece = await this.#readUpTo(Infinity);
      if (piece === undefined) break;
      yield piece;
    }
    body.complete = true;
  }

  async #readUpTo(lengthMax: number): Promise<Buffer | undefined> {
    const first = await this.#first();
    if (first === undefined) return undefined;
    if (first.length <= lengthMax) {
      this.#pieces.shift();
      return first;
    }
    this.#pieces[0] = first.subarray(lengthMax);
    return first.subarray(0, lengthMax);
  }

  /** Bytes up to and with `mark`; undefined when the connection ends before it. */
  async #readThrough(mark: string): Promise<Buffer | undefined> {
    const before: Buffer[] = [];
    // The mark may begin in one piece and end in the next.
    let tail = Buffer.alloc(0);
    for (;;) {
      const piece = await this.#readUpTo(Infinity);
      if (piece === undefined) return undefined;
      const seen = Buffer.concat([tail, piece]);
      const index = seen.indexOf(mark);
      if (index < 0) {
        before.push(piece);
        tail = seen.subarray(Math.max(0, seen.length - mark.length + 1));
        continue;
      }
      const end = index + mark.length - tail.length;
      if (end < piece.length) this.#pieces.unshift(piece.subarray(end));
      return Buffer.concat([...before, piece.subarray(0, end)]);
    }
  }

  async #first(): Promise<Buffer | undefined> {
    while (this.#pieces.length === 0) {
      if (this.#ended) return undefined;
      await this.#more();
    }
    return this.#pieces[0];
  }

  #more(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#wake = undefined;
        reject(new Error(`Cannot read: the server sent nothing for ${READ_LIMIT_MS} ms`));
      }, READ_LIMIT_MS);
      this.#wake = () => {
        this.#wake = undefined;
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** A body that is being read. */
export interface HttpBody {
  readonly pieces: AsyncGenerator<Uint8Array>;
  readonly complete: boolean;
}

const CHUNK_LENGTH = 64 * 1024;

async function* none(): AsyncGenerator<Uint8Array> {}

function parseHeaders(text: string): HttpHeaders {
  const [statusLine = "", ...lines] = text.trimEnd().split("\r\n");
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1];
  if (status === undefined) throw new Error(`Cannot read status line "${statusLine}"`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return { text, status: Number(status), headers };
}
