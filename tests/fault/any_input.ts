/**
 * Inputs for everything that reads bytes of others: real ones with some of their bytes changed, so
 * that they get further than bytes by chance would. Each is told by a line that shows it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fromLatin1, latin1 } from "../../src/protocol/byte_buffer.ts";
import type { Random } from "../simulation/random.ts";

const HTTP = [
  "GET /file.txt HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET /app/?x=%20&y HTTP/1.1\r\nHost: a\r\nCookie: a=b\r\nAccept-Encoding: gzip, br\r\n\r\n",
  "HEAD /app/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
  "POST /app/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody",
  "PUT /app/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: x\r\n\r\n",
  'GET /file.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-3,5-,-2\r\nIf-None-Match: W/"x"\r\n\r\n',
  "GET /app/ HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9, 127.0.0.1\r\n" +
  'X-Forwarded-Proto: https\r\nForwarded: for="[2001:db8::1]";proto=https\r\n\r\n',
  "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET http://a/%2e%2e/file.txt;x HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YTpi\r\n\r\n",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
];

const GEMINI = [
  "gemini://localhost/\r\n",
  "gemini://localhost/app?a%20b\r\n",
  "gemini://[::1]:1965/%2e%2e/x\r\n",
  "titan://localhost/app;size=3;mime=text/plain\r\nabc",
];

const ADMIN = [
  "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
  "GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
  "POST /reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}",
  "GET /readyz HTTP/1.1\r\nHost: evil.example\r\n\r\n",
];

const CAPTURES = new URL("../fuzz/captures/", import.meta.url);
const RESPONSES = readdirSync(CAPTURES).filter((name) => name.endsWith(".application.bin")).sort()
  .map((name) => fromLatin1(readFileSync(new URL(name, CAPTURES))));

/** What stands between the parts of all these languages. */
const TOKENS = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  ":",
  ";",
  ",",
  "/",
  "..",
  "%00",
  "%",
  "é",
  "\x85",
]
  .concat([
    "\r\n\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Status: 103\r\n",
  ])
  .concat([
    "X-Accel-Redirect: /file.txt\r\n",
    "Location: /app\r\n",
    "{",
    "}",
    "[",
    "]",
    "- ",
    '"',
    "'",
  ]);

export const KINDS = ["http", "gemini", "admin", "response"] as const;
export type Kind = (typeof KINDS)[number];

const SEEDS: Readonly<Record<Kind, readonly string[]>> = {
  http: HTTP,
  gemini: GEMINI,
  admin: ADMIN,
  response: RESPONSES,
};

/** Some bytes of this kind. */
export function anyBytes(kind: Kind, random: Random): Uint8Array {
  const count = kind === "http" ? random.between(1, 3) : 1;
  const parts = Array.from({ length: count }, () => random.pick(SEEDS[kind]));
  return latin1(changed(parts.join(""), random));
}

/** The text with a few changes, or none; each character stays a byte. */
export function changed(text: string, random: Random): string {
  let result = text;
  for (let count = random.between(0, 4); count > 0; count--) {
    const start = random.between(0, result.length);
    const end = Math.min(result.length, start + random.pick([0, 0, 1, 1, 2, 20]));
    result = result.slice(0, start) + anyText(random) + result.slice(end);
  }
  return result;
}

function anyText(random: Random): string {
  if (random.chance(0.5)) return random.pick(TOKENS);
  if (random.chance(0.1)) return "A".repeat(random.pick([300, 9_000, 70_000]));
  const length = random.between(0, 4);
  return String.fromCharCode(...Array.from({ length }, () => random.between(0, 255)));
}
