/**
 * What a case of h2spec is here: frames that a client sends, and what is to come of them. The numbers
 * are h2spec's own (github.com/summerwind/h2spec 2.6), so that who knows it finds each case; where it
 * takes a closed connection for an error, we want the GOAWAY that says which.
 */
import { type ErrorCodeName, Flag, Setting } from "../../src/http2/constants.ts";
import { type Fields, type Http2Client, requestFields, setting } from "../support/http2_client.ts";

/** What is waited for. */
export interface Expectation {
  readonly what: string;
  /** @param isOver whether the server has ended the connection */
  readonly holds: (client: Http2Client, isOver: boolean) => boolean;
}

/** Frames to send, or what is to come before more is sent. */
export type Step = ((client: Http2Client) => void) | Expectation;

/** A case: its number as h2spec has it, and what it does. */
export type Case = readonly [number: string, what: string, ...steps: Step[]];

/** The section of a case: its number without the last part. */
export function sectionOf([number]: Case): string {
  return number.slice(0, number.lastIndexOf("/"));
}

/** Shorter: bytes of a frame as they stand in the RFC's examples. */
export function bytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.replaceAll(" ", "").match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** 8 bytes as PING and GOAWAY have them. */
export const NOTHING_8 = "0000000000000000";

/** A SETTINGS frame. */
export function settings(...values: readonly (readonly [id: number, value: number])[]): Step {
  return (client) => {
    const payload = values.flatMap(([id, value]) => [...setting(id, value)]);
    client.frame("SETTINGS", 0, 0, Uint8Array.from(payload));
  };
}

/** SETTINGS_INITIAL_WINDOW_SIZE alone. */
export function initialWindow(value: number): Step {
  return settings([Setting.INITIAL_WINDOW_SIZE, value]);
}

/** HEADERS of a stream, whatever came before. */
export function headers(streamId: number, flags: number): Step {
  return (client) =>
    client.frame("HEADERS", flags, streamId, client.block(requestFields("GET", "/")));
}

/** Of HEADERS that nothing follows. */
export const WHOLE = Flag.END_HEADERS | Flag.END_STREAM;

/** A whole request without body on the next stream. */
export function get(client: Http2Client): void {
  client.request();
}

/** The same for the first stream, with fields behind the pseudo-headers. */
export function getWith(...fields: Fields): Step {
  return (client) => void client.request(requestFields("GET", "/", fields));
}

/** Exactly these fields. */
export function request(...fields: Fields): Step {
  return (client) => void client.request(fields);
}

/** A request whose body is to come. */
export function post(...fields: Fields): Step {
  return (client) => void client.request(requestFields("POST", "/", fields), false);
}

export function data(text: string, isEnd: boolean, streamId = 1): Step {
  return (client) => client.data(streamId, text, isEnd);
}

/** Bytes as they are, whatever they are. */
export function raw(hex: string): Step {
  return (client) => client.raw(bytes(hex));
}

/** A request whose block has bytes of ours before or behind its fields. */
export function blockWith(front: string, back: string): Step {
  return (client) => {
    const block = client.block(requestFields("GET", "/"));
    const payload = Uint8Array.of(...bytes(front), ...block, ...bytes(back));
    client.frame("HEADERS", Flag.END_HEADERS | Flag.END_STREAM, client.nextId(), payload);
  };
}

/** HEADERS of the first stream that CONTINUATION has to follow. */
export function beginHeaders(isEnd = true): Step {
  return (client) => {
    const flags = isEnd ? Flag.END_STREAM : 0;
    client.frame("HEADERS", flags, client.nextId(), client.block(requestFields("GET", "/")));
  };
}

/** More of a section: a field that nobody asked for. */
export function continuation(isLast: boolean, streamId = 1): Step {
  return (client) => {
    const flags = isLast ? Flag.END_HEADERS : 0;
    const block = client.block([["x-dummy0", "x".repeat(4000)]]);
    client.frame("CONTINUATION", flags, streamId, block);
  };
}

/** PRIORITY: of which stream, on which it depends, and how much. */
export function priority(streamId: number, dependsOn: number, weight: number, exclusive = 0): Step {
  return (client) => {
    const payload = Uint8Array.of(exclusive << 7, 0, 0, dependsOn, weight);
    client.frame("PRIORITY", 0, streamId, payload);
  };
}

export function reset(streamId: number): Step {
  return (client) => client.reset(streamId);
}

export function windowUpdate(streamId: number, increment: number): Step {
  return (client) => client.windowUpdate(streamId, increment);
}

/** GOAWAY of the client's. */
export function goaway(code: number, text = ""): Step {
  const payload = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, code, ...new TextEncoder().encode(text));
  return (client) => client.frame("GOAWAY", 0, 0, payload);
}

/** A PING that asks for nothing but its reply. */
export function ping(text = ""): Step {
  return (client) => client.ping(0, pingPayload(text));
}

export function pingPayload(text: string): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(8);
  payload.set(new TextEncoder().encode(text));
  return payload;
}

function ended(client: Http2Client, type: "GOAWAY" | "RST_STREAM", codes: readonly string[]) {
  return client.of(type).some(({ error }) => error !== undefined && codes.includes(error));
}

export function connectionError(...codes: ErrorCodeName[]): Expectation {
  return {
    what: `GOAWAY ${codes.join(" or ")}`,
    holds: (client) => ended(client, "GOAWAY", codes),
  };
}

/** RST_STREAM; a connection error is one, too. */
export function streamError(...codes: ErrorCodeName[]): Expectation {
  return {
    what: `RST_STREAM or GOAWAY ${codes.join(" or ")}`,
    holds: (client) => ended(client, "RST_STREAM", codes) || ended(client, "GOAWAY", codes),
  };
}

export const headersFrame: Expectation = {
  what: "HEADERS on stream 1",
  holds: (client) => client.of("HEADERS", 1).length > 0,
};

export const dataFrame: Expectation = {
  what: "DATA",
  holds: (client) => client.of("DATA").length > 0,
};

/** The `count`-th DATA frame has come, and has this length. */
export function dataOf(length: number, count = 1): Expectation {
  return {
    what: `DATA number ${count} of length ${length}`,
    holds: (client) => client.of("DATA")[count - 1]?.payload.length === length,
  };
}

/** The stream has ended well. */
export const streamClosed: Expectation = {
  what: "END_STREAM on stream 1, or RST_STREAM of NO_ERROR",
  holds: (client) => {
    const { isWhole, reset } = client.response(1);
    return isWhole || reset === "NO_ERROR";
  },
};

/** The first frame that the server sends. */
export const settingsFirst: Expectation = {
  what: "SETTINGS as the first frame",
  holds: ({ frames: [first] }) => first?.type === "SETTINGS" && (first.flags & Flag.ACK) === 0,
};

/** Acknowledgements of the client's SETTINGS, of which the greeting has one. */
export function settingsAck(count: number): Expectation {
  return {
    what: `${count} acknowledgements of SETTINGS`,
    holds: (client) => {
      const acks = client.of("SETTINGS").filter(({ flags }) => (flags & Flag.ACK) !== 0);
      return acks.length === count && acks.every(({ payload }) => payload.length === 0);
    },
  };
}

/** The one PING that came is the reply to ours. */
export function pingAck(text = ""): Expectation {
  return {
    what: `PING with ACK of "${text}"`,
    holds: (client) => {
      const [first] = client.of("PING");
      if (first === undefined || (first.flags & Flag.ACK) === 0) return false;
      return pingPayload(text).every((byte, index) => byte === first.payload[index]);
    },
  };
}

/** The same, or the connection has ended without an error. */
export function pingAckOrEnd(text = ""): Expectation {
  const { what, holds } = pingAck(text);
  return {
    what: `${what}, or the connection's end`,
    holds: (client, isOver) => isOver || holds(client, isOver),
  };
}

/** The connection has ended, whatever was said before. */
export const connectionEnd: Expectation = {
  what: "the connection's end",
  holds: (_, isOver) => isOver,
};

/** RST_STREAM with a code that nobody knows. */
export function resetOfUnknown(client: Http2Client): void {
  client.frame("RST_STREAM", 0, 1, Uint8Array.of(0, 0, 0, 0xff));
}
