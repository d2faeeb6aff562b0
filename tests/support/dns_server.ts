/**
 * A name server on loopback (UDP), for tests: answers A, AAAA and SRV from what a test sets, written
 * byte by byte (RFC 1035, RFC 2782) so that resolvers are met as the world meets them. It knows no
 * compression, no TCP and no zones: a name that was not set is NXDOMAIN.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

const TYPE_A = 1;
const TYPE_AAAA = 28;
const TYPE_SRV = 33;
const CLASS_IN = 1;
const RCODE_SERVER_FAILURE = 2;
const RCODE_NAME_ERROR = 3;

export interface ServiceEntry {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly host: string;
}

export interface NameEntry {
  readonly ipv4?: readonly string[];
  readonly ipv6?: readonly string[];
  readonly services?: readonly ServiceEntry[];
  readonly ttlS?: number;
}

export class DnsServer {
  /** Names that were asked for, with the type of the question, in order. */
  readonly asked: string[] = [];
  /** Questions get no response at all. */
  silent = false;
  /** Questions get SERVFAIL. */
  broken = false;
  readonly #socket: Socket;
  readonly #names = new Map<string, NameEntry>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("message", (question, peer) => {
      const response = this.#answer(question);
      if (response !== undefined) socket.send(response, peer.port, peer.address);
    });
  }

  static async start(): Promise<DnsServer> {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return new DnsServer(socket);
  }

  /** Such as `127.0.0.1:40123`. */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  set(name: string, entry: NameEntry): void {
    this.#names.set(name.toLowerCase(), entry);
  }

  remove(name: string): void {
    this.#names.delete(name.toLowerCase());
  }

  async stop(): Promise<void> {
    const closed = once(this.#socket, "close");
    this.#socket.close();
    await closed;
  }

  #answer(question: Uint8Array): Uint8Array | undefined {
    const { name, type, end } = readQuestion(question);
    this.asked.push(`${name} ${type}`);
    if (this.silent) return undefined;
    const entry = this.#names.get(name.toLowerCase());
    const records = entry === undefined || this.broken ? [] : recordsOf(entry, type);
    const rcode = this.broken ? RCODE_SERVER_FAILURE : entry === undefined ? RCODE_NAME_ERROR : 0;
    const header = Uint8Array.of(
      question[0]!,
      question[1]!,
      // A response, with authority; recursion as it was asked for and available.
      0x84 | (question[2]! & 1),
      0x80 | rcode,
      ...u16(1),
      ...u16(records.length),
      ...u16(0),
      ...u16(0),
    );
    const parts = [header, question.subarray(12, end)];
    for (const data of records) {
      parts.push(Uint8Array.of(
        ...encodeName(name),
        ...u16(type),
        ...u16(CLASS_IN),
        ...u32(entry?.ttlS ?? 60),
        ...u16(data.length),
        ...data,
      ));
    }
    return concat(parts);
  }
}

function recordsOf(entry: NameEntry, type: number): Uint8Array[] {
  switch (type) {
    case TYPE_A:
      return (entry.ipv4 ?? []).map((text) => Uint8Array.from(text.split("."), Number));
    case TYPE_AAAA:
      return (entry.ipv6 ?? []).map(encodeIpv6);
    case TYPE_SRV:
      return (entry.services ?? []).map(({ priority, weight, port, host }) =>
        Uint8Array.of(...u16(priority), ...u16(weight), ...u16(port), ...encodeName(host))
      );
    default:
      return [];
  }
}

/** The first question, and where it ends. */
function readQuestion(message: Uint8Array): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let offset = 12;
  for (let length = message[offset]!; length > 0; length = message[offset]!) {
    labels.push(new TextDecoder().decode(message.subarray(offset + 1, offset + 1 + length)));
    offset += 1 + length;
  }
  const type = message[offset + 1]! << 8 | message[offset + 2]!;
  return { name: labels.join("."), type, end: offset + 5 };
}

function encodeName(name: string): number[] {
  const labels = name === "." ? [] : name.split(".");
  const bytes = labels.flatMap((label) => [label.length, ...new TextEncoder().encode(label)]);
  return [...bytes, 0];
}

function encodeIpv6(text: string): Uint8Array {
  const [headers = "", tail] = text.split("::");
  const groups = (part: string) => part === "" ? [] : part.split(":").map((it) => parseInt(it, 16));
  const left = groups(headers);
  const back = groups(tail ?? "");
  const zeros = new Array<number>(8 - left.length - back.length).fill(0);
  return Uint8Array.from([...left, ...zeros, ...back].flatMap(u16));
}

function u16(value: number): number[] {
  return [value >> 8 & 0xff, value & 0xff];
}

function u32(value: number): number[] {
  return [...u16(value >>> 16), ...u16(value & 0xffff)];
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}
