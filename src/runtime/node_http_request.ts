/**
 * A request of `node:http` as a Fetch `Request`. Fetch would tidy the target and refuse some methods
 * and the body of a GET, so these are told past it. The body is read as fast as its reader takes it,
 * one piece ahead.
 */
import type { IncomingMessage } from "node:http";

/** Who wants to know what becomes of a request's body. */
export interface NodeRequestEvents {
  /** Somebody reads it. */
  onWanted(): void;
}

export class NodeRequest extends Request {
  readonly #url: string;
  readonly #method: string;
  readonly #body: NodeRequestBody | undefined;
  #aborter: AbortController | undefined;
  #state: "waiting" | "answered" | "left" = "waiting";

  constructor(message: IncomingMessage, isTls: boolean, events: NodeRequestEvents) {
    const headers = new Headers(fieldsOf(message.rawHeaders));
    const body = hasBody(headers) ? new NodeRequestBody(message, events) : undefined;
    super("http://localhost/", {
      headers,
      ...(body && { method: "POST", body: body.stream, duplex: "half" }),
    });
    this.#body = body;
    this.#method = message.method ?? "GET";
    this.#url = urlOf(message.url ?? "/", headers.get("host"), isTls);
  }

  override get url(): string {
    return this.#url;
  }

  override get method(): string {
    return this.#method;
  }

  /** Fires when the client leaves before it is answered. */
  override get signal(): AbortSignal {
    this.#aborter ??= new AbortController();
    if (this.#state === "left") this.#aborter.abort();
    return this.#aborter.signal;
  }

  /** The handler has done its work. */
  answered(): void {
    if (this.#state === "waiting") this.#state = "answered";
  }

  /** The connection is over, or the answer has gone. */
  left(): void {
    if (this.#state !== "waiting") return;
    this.#state = "left";
    this.#aborter?.abort();
  }

  /** Nobody reads the rest of the body. */
  discard(): void {
    this.#body?.discard();
  }
}

class NodeRequestBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #message: IncomingMessage;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #isOver = false;

  constructor(message: IncomingMessage, events: NodeRequestEvents) {
    this.#message = message;
    this.stream = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
      pull: () => {
        events.onWanted();
        message.resume();
      },
      cancel: () => this.discard(),
    }, { highWaterMark: 0 });
    message.on("data", (bytes: Uint8Array<ArrayBuffer>) => {
      if (this.#isOver) return;
      message.pause();
      // A Buffer's slice() would share its memory.
      this.#controller.enqueue(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    });
    message.pause();
    message.on("end", () => this.#end(() => this.#controller.close()));
    const fail = () => this.#end(() => this.#controller.error());
    message.on("error", fail);
    message.on("close", fail);
  }

  /** Lets the rest of the body go by. */
  discard(): void {
    this.#isOver = true;
    this.#message.resume();
  }

  #end(tell: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    tell();
  }
}

function hasBody(headers: Headers): boolean {
  const length = headers.get("content-length");
  return headers.has("transfer-encoding") || (length !== null && length !== "0");
}

/** Repeated fields are joined by `Headers`, but for cookies that would be the wrong way. */
function fieldsOf(raw: readonly string[]): [name: string, value: string][] {
  const fields: [string, string][] = [];
  let cookie: [string, string] | undefined;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const field: [string, string] = [raw[index]!, raw[index + 1]!];
    const isCookie = field[0].length === 6 && field[0].toLowerCase() === "cookie";
    if (isCookie && cookie !== undefined) cookie[1] += `; ${field[1]}`;
    else fields.push(field);
    if (isCookie) cookie ??= field;
  }
  return fields;
}

/** The target as it was sent, behind the host that it is for. */
function urlOf(target: string, host: string | null, isTls: boolean): string {
  const origin = `${isTls ? "https" : "http"}://${host ?? "localhost"}`;
  if (target.startsWith("/")) return origin + target;
  return /^https?:\/\//i.test(target) ? target : `${origin}/${target}`;
}
