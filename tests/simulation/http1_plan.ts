/**
 * What one simulated request of HTTP/1 is: its bytes as the client sends them, what its handler does
 * with the body, and how it is responded to. The plan alone says what must come back.
 */
import { utf8 } from "../../src/protocol/byte_buffer.ts";
import { pattern, type Random } from "./random.ts";

export interface RequestPlan {
  /** Also what the body's bytes are made of; no two requests of a connection have the same. */
  readonly key: number;
  readonly method: "GET" | "POST" | "HEAD";
  readonly protocol: "HTTP/1.0" | "HTTP/1.1";
  readonly framing: "none" | "length" | "chunked";
  readonly bodyLength: number;
  /** The client waits for a 100 before it sends the body, but not for ever. */
  readonly expectsContinue: boolean;
  /** Empty lines before the request. */
  readonly blankLines: number;
  /** The client says that it wants the connection to end. */
  readonly closes: boolean;
  /** How much of the body the handler reads; `begin`: its first piece. */
  readonly reads: "whole" | "begin" | "ignore" | "cancel";
  readonly reply: "whole" | "stream" | "throws" | "breaks" | "short";
  readonly replyLength: number;
  /** Whether a streamed response says its length. */
  readonly isDeclared: boolean;
  /** Whether the handler responds in the turn in which it is asked. */
  readonly isLate: boolean;
}

const LENGTHS = [0, 1, 7, 100, 1_000, 5_000, 40_000];

/** In a calm world every request is read, and responded to in full. */
export function randomPlan(random: Random, key: number, isCalm: boolean): RequestPlan {
  const framing = random.pick(["none", "none", "length", "chunked"] as const);
  const isOld = framing !== "chunked" && random.chance(0.1);
  return {
    key,
    method: framing === "none" ? random.pick(["GET", "GET", "HEAD"] as const) : "POST",
    protocol: isOld ? "HTTP/1.0" : "HTTP/1.1",
    framing,
    bodyLength: framing === "none" ? 0 : random.pick(LENGTHS),
    expectsContinue: framing !== "none" && !isOld && random.chance(0.2),
    blankLines: random.chance(0.1) ? random.between(1, 2) : 0,
    closes: random.chance(0.05),
    reads: isCalm
      ? "whole"
      : random.pick(["whole", "whole", "whole", "begin", "ignore", "cancel"] as const),
    reply: isCalm
      ? random.pick(["whole", "stream"] as const)
      : random.pick(["whole", "whole", "stream", "stream", "throws", "breaks", "short"] as const),
    replyLength: random.pick(LENGTHS),
    isDeclared: random.chance(0.5),
    isLate: random.chance(0.6),
  };
}

/** The request as a client sends it. */
export function requestBytes(plan: RequestPlan, random: Random): Uint8Array {
  const fields = [
    `${plan.method} /${plan.key} ${plan.protocol}`,
    "host: a",
    ...(plan.framing === "length" ? [`content-length: ${plan.bodyLength}`] : []),
    ...(plan.framing === "chunked" ? ["transfer-encoding: chunked"] : []),
    ...(plan.expectsContinue ? ["expect: 100-continue"] : []),
    ...(plan.closes ? ["connection: close"] : []),
    ...(!plan.closes && plan.protocol === "HTTP/1.0" ? ["connection: keep-alive"] : []),
  ];
  const headers = utf8(`${"\r\n".repeat(plan.blankLines)}${fields.join("\r\n")}\r\n\r\n`);
  const body = pattern(plan.key, 0, plan.bodyLength);
  return concat([headers, ...(plan.framing === "chunked" ? chunksOf(body, random) : [body])]);
}

/** What a client that has a whole response has of its body; without a length, half of one is whole. */
export function expectedBytes(plan: RequestPlan): Uint8Array {
  const bytes = replyBytes(plan);
  return plan.reply === "short" && !plan.isDeclared ? bytes.subarray(0, bytes.length >> 1) : bytes;
}

/** What the handler has to respond with, byte for byte. */
export function replyBytes(plan: RequestPlan): Uint8Array<ArrayBuffer> {
  return pattern(plan.key + 1_000, 0, plan.replyLength);
}

/** Whether the client can be sure to have all of this response. */
export function isWholeReply({ reply, replyLength, isDeclared }: RequestPlan): boolean {
  if (reply === "breaks") return false;
  return reply !== "short" || replyLength === 0 || !isDeclared;
}

export function concat(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}

function chunksOf(body: Uint8Array, random: Random): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let offset = 0; offset < body.length;) {
    const length = Math.min(body.length - offset, random.pick([1, 10, 500, 9_000]));
    chunks.push(utf8(`${length.toString(16)}\r\n`), body.slice(offset, offset + length));
    chunks.push(utf8("\r\n"));
    offset += length;
  }
  return [...chunks, utf8("0\r\n\r\n")];
}
