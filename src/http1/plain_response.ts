/** What a client is told that has no request yet, as bytes that are made once. */
import { utf8 } from "../protocol/byte_buffer.ts";
import { STATUS_PHRASES } from "../protocol/status_phrases.ts";

/** A whole response, behind which the connection ends. */
function lastResponse(status: number, text: string, fields = ""): Uint8Array {
  const body = utf8(text);
  return utf8(
    `HTTP/1.1 ${status} ${STATUS_PHRASES[status]}\r\nconnection: close\r\n` +
      `content-type: text/plain; charset=utf-8\r\ncontent-length: ${body.length}\r\n` +
      `cache-control: no-store\r\n${fields}\r\n${text}`,
  );
}

/** To who speaks HTTP to a port of HTTPS (nginx answers that with 400, too). */
export const PLAIN_HTTP_RESPONSE: Uint8Array = lastResponse(
  400,
  "400 Bad Request: this port takes HTTPS, ask for https:// here\n",
);

/** To who is one too many. */
export const FULL_RESPONSE: Uint8Array = lastResponse(
  503,
  "503 Service Unavailable: there are too many connections\n",
  "retry-after: 1\r\n",
);
