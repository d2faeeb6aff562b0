/**
 * A body compressed on its way. What is there is compressed together; when the source pauses, all
 * that came before goes out (a flush), so an event stream waits for nothing. It reads only when its
 * own reader wants more, so a slow client slows the source down, and holds one piece beside the
 * compressor's window.
 */
import type { Clock } from "../runtime/clock.ts";
import type { Compressor } from "../runtime/content_coding.ts";
import { reportIfOurs } from "../runtime/unexpected.ts";

/** A larger piece is taken in parts, so that what comes out at once stays small. */
const PIECE_LENGTH_MAX = 64 * 1024;

/** `onDone` is called once, when nothing more will be compressed. */
export function compressedStream(
  source: ReadableStream<Uint8Array>,
  compressor: Compressor,
  clock: Pick<Clock, "atTurnEnd">,
  onDone: () => void,
): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  let reading: Promise<{ done: boolean; value?: Uint8Array | undefined }> | undefined;
  let rest: Uint8Array | undefined;
  let isUnflushed = false;
  let isDone = false;
  const finish = (): void => {
    isDone = true;
    compressor.destroy();
    onDone();
  };

  async function next(): Promise<readonly Uint8Array[] | undefined> {
    if (rest === undefined) {
      reading ??= reader.read();
      if (isUnflushed && !(await isSettledSoon(reading, clock))) {
        isUnflushed = false;
        return await compressor.flush();
      }
      const { done, value } = await reading;
      reading = undefined;
      if (done) return undefined;
      rest = value!;
    }
    const piece = rest.subarray(0, PIECE_LENGTH_MAX);
    rest = piece.length === rest.length ? undefined : rest.subarray(piece.length);
    if (piece.length === 0) return [];
    isUnflushed = true;
    return await compressor.write(piece);
  }

  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        let output: readonly Uint8Array[] | undefined = [];
        while (output?.length === 0 && !isDone) output = await next();
        if (isDone) return;
        const last = output === undefined ? await compressor.end() : [];
        if (isDone) return;
        for (const bytes of [...output ?? [], ...last]) controller.enqueue(bytes);
        if (output !== undefined) return;
        finish();
        controller.close();
      } catch (error) {
        reportIfOurs(error, "compressing a response");
        if (isDone) return;
        finish();
        // Without a reason: Bun prints one to standard error.
        controller.error();
        reader.cancel().catch(() => {});
      }
    },
    cancel(reason) {
      finish();
      return reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}

/** Whether the promise settles in this turn of the event loop. */
function isSettledSoon(
  promise: Promise<unknown>,
  clock: Pick<Clock, "atTurnEnd">,
): Promise<boolean> {
  return new Promise((resolve) => {
    const yes = (): void => resolve(true);
    promise.then(yes, yes);
    clock.atTurnEnd(() => resolve(false));
  });
}
