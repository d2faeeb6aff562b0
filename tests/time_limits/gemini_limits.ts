/** The time limits of Gemini's clients. */
import { Conversation } from "../../src/gemini/conversation.ts";
import { GEMINI_LIMIT_DEFAULTS, type GeminiLimits } from "../../src/gemini/options.ts";
import { ManualClock, memoryPair } from "../support/memory/memory.ts";
import type { TlsConnection } from "../../src/runtime/tls.ts";
import { outcomeOf, type Running, type TimeLimit } from "./limit.ts";
import { untilIdle } from "../support/idle.ts";

const LIMIT_MS = 2_000;

const NEIGHBOURS = ["requestTimeoutMs", "sendTimeoutMs", "closeTimeoutMs"] as const;

type Name = typeof NEIGHBOURS[number];

const others = (own: Name): string[] => NEIGHBOURS.filter((name) => name !== own);

const bytesOf = (text: string) => new TextEncoder().encode(text);

function begin(own: Name, off: string | undefined, capacity: number) {
  const [client, server] = memoryPair({ capacity });
  const clock = new ManualClock();
  const connection: TlsConnection = Object.assign(server, {
    peer: { host: "127.0.0.1", port: 1 },
    serverName: "a",
    version: "TLSv1.3",
    cipher: "none",
    certificate: undefined,
    intermediates: [],
  });
  const limits: GeminiLimits = {
    ...GEMINI_LIMIT_DEFAULTS,
    ...Object.fromEntries(NEIGHBOURS.map((name) => [name, name === off ? 2 ** 31 : 1_000_000])),
    [own]: LIMIT_MS,
  };
  const writer = client.writable.getWriter();
  writer.closed.catch(() => {});
  const conversation = new Conversation(connection, clock, limits);
  const running = (
    fired: Running["fired"],
    firesAs: string,
    acts: Running["acts"],
  ): Running => ({
    async advance(durationMs) {
      clock.advance(durationMs);
      await untilIdle();
    },
    fired,
    firesAs,
    acts,
    async end() {
      client.destroy();
      await untilIdle();
      if (clock.timerCount > 0) throw new Error("a timer is left");
    },
  });
  return { client, conversation, writer, running };
}

const base = { limitMs: LIMIT_MS, lateMs: 0 } as const;

export const GEMINI_LIMITS: readonly TimeLimit[] = [
  {
    ...base,
    key: "limits.gemini.request_timeout",
    when: "a request line stays half",
    neighbours: others("requestTimeoutMs"),
    movedBy: [],
    notMovedBy: ["a byte of it"],
    async begin(off) {
      const { conversation, writer, running } = begin("requestTimeoutMs", off, 1_000);
      let outcome: string | undefined;
      void conversation.readLine().then((line) => outcome = String(line));
      await writer.write(bytesOf("gemini://a/"));
      await untilIdle();
      return running(() => outcome, "timeout", {
        "a byte of it": () => writer.write(bytesOf("x")),
      });
    },
  },
  {
    ...base,
    key: "limits.gemini.send_timeout",
    when: "a client does not read",
    neighbours: others("sendTimeoutMs"),
    movedBy: [],
    notMovedBy: ["what it sends"],
    async begin(off) {
      const { conversation, writer, running } = begin("sendTimeoutMs", off, 16);
      let outcome: string | undefined;
      const header = { code: 20, meta: "text/plain" };
      void conversation.reply({ header, body: new Uint8Array(100) })
        .then(({ failure }) => outcome = failure);
      await untilIdle();
      return running(() => outcome, "send_timeout", {
        "what it sends": () => writer.write(bytesOf("x")),
      });
    },
  },
  {
    ...base,
    key: "limits.gemini.close_timeout",
    when: "a client does not close",
    neighbours: others("closeTimeoutMs"),
    movedBy: [],
    notMovedBy: ["what it sends"],
    async begin(off) {
      const { conversation, writer, running } = begin("closeTimeoutMs", off, 1_000);
      const header = { code: 20, meta: "text/plain" };
      const delivered = conversation.reply({ header, body: bytesOf("body") });
      await untilIdle();
      return running(outcomeOf(delivered, String), "done", {
        "what it sends": () => writer.write(bytesOf("x")),
      });
    },
  },
];
