/**
 * What comes from the other side of a tunnel, piece by piece to a client that has left HTTP: as it
 * is, at once, and no faster than the client takes it.
 */
import { reportIfOurs } from "../runtime/unexpected.ts";
import type { StreamTarget } from "./streamed_response.ts";

/** Resolves to whether the other side has ended it, so that it did not break. Never rejects. */
export async function sendTunnel(
  target: Pick<StreamTarget, "isGone" | "write">,
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<boolean> {
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      if (target.isGone) return false;
      await target.write(read.value);
    }
    return !target.isGone;
  } catch (error) {
    reportIfOurs(error, "sending through a tunnel");
    return false;
  } finally {
    void reader.cancel().catch(() => {});
  }
}
