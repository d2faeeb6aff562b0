/**
 * A web server's end of one simulated connection to `serveFastCgi`: it writes records by hand, many
 * requests mixed, gives some up in the middle of their parameters, uses ids again at once, and holds
 * each record that comes back against the request that has the id. Shares no code with ours.
 */
import { patternFault, type Random } from "./random.ts";
import { pattern } from "./random.ts";

const TYPE = { begin: 1, abort: 2, end: 3, params: 4, stdin: 5, stdout: 6, stderr: 7 } as const;

/** What is planned for one request; the handler finds it by its key. */
export interface RespondedPlan {
  readonly key: number;
  readonly bodyLength: number;
  /** Undefined: the parameter is not sent, and must not be seen. */
  readonly user: string | undefined;
  readonly reads: "whole" | "ignore" | "cancel";
  readonly reply: "whole" | "stream" | "throws" | "breaks";
  readonly replyLength: number;
  readonly isLate: boolean;
}

/** One request on its way: what of it has yet to be written, and what has come back. */
export interface WebServerExchange {
  readonly plan: RespondedPlan;
  readonly records: Uint8Array[];
  isAborted: boolean;
  stdout: number[];
  /** The protocol status of END_REQUEST. */
  ended: number | undefined;
}

export class SimulatedWebServer {
  /** Ids in use, as the web server sees it. */
  readonly open = new Map<number, WebServerExchange>();
  readonly done: WebServerExchange[] = [];
  readonly #random: Random;
  #output: Uint8Array[] = [];
  #input: number[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** Bytes that were written and have not gone. */
  get outputLength(): number {
    return this.#output.reduce((sum, { length }) => sum + length, 0);
  }

  begin(plan: RespondedPlan, idMax: number): void {
    const free = Array.from({ length: idMax }, (_, index) => index + 1)
      .filter((id) => !this.open.has(id));
    if (free.length === 0) return;
    const id = this.#random.pick(free);
    const params = encodeParams({
      REQUEST_METHOD: plan.bodyLength > 0 ? "POST" : "GET",
      REQUEST_URI: `/${plan.key}`,
      HTTP_HOST: "app.test",
      ...(plan.bodyLength > 0 && { CONTENT_LENGTH: String(plan.bodyLength) }),
      ...(plan.user !== undefined && { REMOTE_USER: plan.user }),
    });
    const records = [
      ...this.#cut(params).map((piece) => record(TYPE.params, id, piece)),
      record(TYPE.params, id, []),
      ...this.#cut([...pattern(plan.key, 0, plan.bodyLength)])
        .map((piece) => record(TYPE.stdin, id, piece)),
      record(TYPE.stdin, id, []),
    ];
    this.#output.push(record(TYPE.begin, id, [0, 1, 1, 0, 0, 0, 0, 0]));
    this.open.set(id, { plan, records, isAborted: false, stdout: [], ended: undefined });
  }

  /** Writes the next record of one request. */
  write(): void {
    const ready = [...this.open.values()]
      .filter(({ records, isAborted }) => records.length > 0 && !isAborted);
    if (ready.length > 0) this.#output.push(this.#random.pick(ready).records.shift()!);
  }

  /** Gives up one request, wherever it is. */
  abort(): void {
    const ready = [...this.open].filter(([, { isAborted }]) => !isAborted);
    if (ready.length === 0) return;
    const [id, exchange] = this.#random.pick(ready);
    exchange.isAborted = true;
    this.#output.push(record(TYPE.abort, id, []));
  }

  /** Takes at most so many bytes of what was written. */
  takeOutput(length: number): Uint8Array {
    const all = Uint8Array.from(this.#output.flatMap((bytes) => [...bytes]));
    this.#output = all.length > length ? [all.slice(length)] : [];
    return all.slice(0, length);
  }

  /** @throws {Error} that says which record does not fit */
  receive(bytes: Uint8Array): void {
    for (const byte of bytes) this.#input.push(byte);
    for (;;) {
      const [version, type, high, low, lengthHigh, lengthLow, padding] = this.#input;
      if (padding === undefined) return;
      const length = lengthHigh! * 256 + lengthLow!;
      if (this.#input.length < 8 + length + padding) return;
      if (version !== 1) throw new Error(`A record of version ${version}`);
      const content = this.#input.slice(8, 8 + length);
      this.#input = this.#input.slice(8 + length + padding);
      this.#take(type!, high! * 256 + low!, content);
    }
  }

  #take(type: number, id: number, content: number[]): void {
    const exchange = this.open.get(id);
    if (exchange === undefined) throw new Error(`A record ${type} of id ${id}, which nobody uses`);
    if (type === TYPE.stdout) { for (const byte of content) exchange.stdout.push(byte); }
    else if (type === TYPE.end) {
      exchange.ended = content[4]!;
      this.open.delete(id);
      this.done.push(exchange);
    } else if (type !== TYPE.stderr) throw new Error(`A record ${type} of id ${id}`);
  }

  /** Records of any length, seldom of one byte. */
  #cut(bytes: readonly number[]): number[][] {
    const pieces: number[][] = [];
    for (let start = 0; start < bytes.length;) {
      const length = this.#random.pick([1, 5, 50, 3_000, 60_000]);
      pieces.push(bytes.slice(start, start + length));
      start += length;
    }
    return pieces;
  }
}

/**
 * What a complete response of this request is not; undefined when it is what was planned.
 */
export function responseFault({ plan, stdout }: WebServerExchange): string | undefined {
  const bytes = Uint8Array.from(stdout);
  const text = String.fromCharCode(...bytes.subarray(0, 1_000));
  const headersEnd = text.indexOf("\r\n\r\n");
  if (headersEnd === -1) return `/${plan.key} has no header section: ${JSON.stringify(text)}`;
  const headers = text.slice(0, headersEnd).toLowerCase();
  const isRefused = /^status: 500/.test(headers);
  // One that breaks before its first byte can still be told as a fault.
  if (isRefused && (plan.reply === "throws" || plan.reply === "breaks")) return undefined;
  if (plan.reply === "breaks") return `/${plan.key} broke, and is called complete`;
  if (!headers.includes(`x-key: ${plan.key}`)) return `/${plan.key} has another's headers`;
  const body = bytes.subarray(headersEnd + 4);
  if (body.length !== plan.replyLength) {
    return `/${plan.key} has ${body.length} of ${plan.replyLength} bytes`;
  }
  const fault = patternFault(plan.key + 1_000, 0, body);
  return fault === undefined ? undefined : `/${plan.key} has a wrong byte ${fault}`;
}

function record(type: number, id: number, content: readonly number[]): Uint8Array {
  const { length } = content;
  return Uint8Array.from([1, type, id >> 8, id & 255, length >> 8, length & 255, 0, 0, ...content]);
}

/** Names and values below 128 bytes (section 3.4). */
function encodeParams(params: Readonly<Record<string, string>>): number[] {
  const encoder = new TextEncoder();
  return Object.entries(params).flatMap(([name, value]) => {
    const [nameBytes, valueBytes] = [encoder.encode(name), encoder.encode(value)];
    return [nameBytes.length, valueBytes.length, ...nameBytes, ...valueBytes];
  });
}
