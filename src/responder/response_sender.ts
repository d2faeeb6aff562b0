/**
 * A handler's `Response` on its way out, read no faster than the web server takes it.
 *
 * A response whose body is complete by the end of the turn of the event loop in which it began, and
 * short, leaves as one record with its Content-Length; any other one leaves its header section at
 * that point and its body as it comes. What was promised is kept: a body that is not as long as
 * Content-Length says is an error. HEAD gets the header section that GET would get, so its body is
 * read as far as that needs.
 */
import { latin1, writeLatin1 } from "../protocol/byte_buffer.ts";
import { cgiHeaders, declaredLength, hasBody, lacksBody } from "./cgi_headers.ts";
import { type HeldBack, type Outlet, PIECE_LENGTH_MAX } from "./outlet.ts";

/** One response; {@link run} sends all of it. */
export class ResponseSender implements HeldBack {
  readonly #requestId: number;
  readonly #response: Response;
  readonly #outlet: Outlet;
  readonly #headers: string;
  readonly #lengthDeclared: number | undefined;
  readonly #hasBody: boolean;
  readonly #isHeadOnly: boolean;
  /** What has come of the body while the header section is held back. */
  #gathered: Uint8Array[] = [];
  #length = 0;
  #headersSent = false;
  /** The header section that waits for its turn in the outlet. */
  #headersPending: Promise<void> | undefined;
  #cancelled = false;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  /**
   * @throws {RangeError} when the header section is longer than `headLengthMax`, or there is no body
   * and it says that there is
   */
  constructor(options: {
    requestId: number;
    method: string;
    response: Response;
    outlet: Outlet;
    headLengthMax: number;
  }) {
    this.#requestId = options.requestId;
    this.#response = options.response;
    this.#outlet = options.outlet;
    const headers = cgiHeaders(options.response);
    this.#headers = headers.text;
    if (this.#headers.length > options.headLengthMax) {
      throw new RangeError(
        `Cannot answer: the header section is longer than ${options.headLengthMax} bytes`,
      );
    }
    this.#isHeadOnly = options.method === "HEAD";
    this.#lengthDeclared = declaredLength(headers);
    const isKnown = this.#isHeadOnly && this.#lengthDeclared !== undefined;
    this.#hasBody = hasBody(options.response) && !isKnown;
    // A HEAD, and a 304, may say how long the body would be.
    if (!this.#isHeadOnly && lacksBody(options.response)) this.#checkLength();
  }

  /** From then on the client may have seen a part, and no other response can be given. */
  get headersSent(): boolean {
    return this.#headersSent;
  }

  /** Nobody reads on: lets go of the body. What {@link run} does afterwards has no effect. */
  cancel(reason: unknown): void {
    this.#cancelled = true;
    if (this.#reader !== undefined) void this.#reader.cancel(reason).catch(() => {});
    else if (this.#response.body?.locked === false) void this.#cancelBody(reason);
  }

  /** Sends headers and body; rejects when the body fails or is not as long as it should be. */
  async run(): Promise<void> {
    if (!this.#hasBody) {
      void this.#cancelBody("the response has no body");
      await this.#send(latin1(`${this.#headers}\r\n`));
      return;
    }
    const reader = this.#response.body!.getReader();
    this.#reader = reader;
    this.#outlet.releaseSoon(this);
    for (;;) {
      const { done, value } = await reader.read();
      if (this.#cancelled) return this.#isHeadOnly ? this.#headersPending : undefined;
      if (done) break;
      const sent = this.#take(value);
      if (sent !== undefined) await sent;
    }
    const rest = this.#finish();
    if (rest !== undefined) await rest;
  }

  #take(bytes: Uint8Array): Promise<void> | undefined {
    if (!(bytes instanceof Uint8Array)) {
      throw new TypeError("Cannot answer: the body's stream has a piece that is not bytes");
    }
    this.#length += bytes.length;
    const declared = this.#lengthDeclared;
    if (declared !== undefined && this.#length > declared) {
      throw new RangeError(`Cannot answer: the body is longer than Content-Length ${declared}`);
    }
    if (this.#headersSent) return this.#send(bytes);
    if (!this.#isHeadOnly) this.#gathered.push(bytes);
    if (this.#length <= PIECE_LENGTH_MAX) return undefined;
    if (!this.#isHeadOnly) return this.#sendGathered("");
    this.release();
    return undefined;
  }

  /** @throws {RangeError} when it is over before all that was declared has come */
  #checkLength(): void {
    const declared = this.#lengthDeclared;
    if (declared === undefined || this.#length >= declared) return;
    throw new RangeError(
      `Cannot answer: the body has ${this.#length} bytes of Content-Length ${declared}`,
    );
  }

  #finish(): Promise<void> | undefined {
    const declared = this.#lengthDeclared;
    this.#checkLength();
    if (this.#headersSent) return this.#headersPending;
    return this.#sendGathered(declared === undefined ? `content-length: ${this.#length}\r\n` : "");
  }

  /** The body takes longer: the header section goes first. */
  release(): void {
    if (this.#headersSent || this.#cancelled) return;
    this.#headersPending = this.#sendGathered("");
    if (this.#isHeadOnly) this.cancel("the response has no body");
  }

  /** The header section and what has come of the body, as one run of bytes. */
  #sendGathered(headersEnd: string): Promise<void> | undefined {
    const headers = `${this.#headers}${headersEnd}\r\n`;
    const bytes = new Uint8Array(headers.length + (this.#isHeadOnly ? 0 : this.#length));
    writeLatin1(headers, bytes);
    let offset = headers.length;
    for (const piece of this.#gathered) {
      bytes.set(piece, offset);
      offset += piece.length;
    }
    this.#gathered = [];
    return this.#send(bytes);
  }

  #send(bytes: Uint8Array): Promise<void> | undefined {
    this.#headersSent = true;
    return this.#outlet.send(this.#requestId, "stdout", bytes);
  }

  async #cancelBody(reason: unknown): Promise<void> {
    try {
      await this.#response.body?.cancel(reason);
    } catch {
      // The body was read already, or has failed: nothing holds on to it.
    }
  }
}
