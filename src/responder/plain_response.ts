/** Responses of our own, to requests that cannot be taken or whose handler failed. */
import { utf8 } from "../protocol/byte_buffer.ts";
import { ProtocolStatus } from "../protocol/constants.ts";
import type { ServerConnection } from "../protocol/server_connection.ts";
import { STATUS_PHRASES } from "../protocol/status_phrases.ts";

/** Answers with a status and its name, tells the web server's log why, and ends the request. */
export function respondPlainly(
  server: ServerConnection,
  id: number,
  status: number,
  stderrLine: string,
): void {
  const reason = STATUS_PHRASES[status]!;
  server.sendStderr(id, utf8(`${stderrLine}\n`));
  server.sendStdout(
    id,
    utf8(
      `Status: ${status} ${reason}\r\ncontent-type: text/plain; charset=utf-8\r\n` +
        `content-length: ${reason.length + 1}\r\n\r\n${reason}\n`,
    ),
  );
  server.endStdout(id);
  server.endRequest(id, 0, ProtocolStatus.REQUEST_COMPLETE);
}
