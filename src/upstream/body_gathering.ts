/**
 * Reads a body before it is sent: its length is unknown, or the application would hold a worker for
 * a slow client. Up to `memoryMax` bytes stay in memory, while all buffers together have few
 * (`buffer_memory.ts`); the rest goes to a temporary file. What was gathered has an exact length and
 * can be sent again.
 *
 * While nothing can be written (`spill_space.ts`) the client is not read; after
 * {@link SPACE_TIMEOUT_MS} of that its request fails.
 *
 * It ends early when the client sends nothing for too long, or when it is told to
 * ({@link BodyGathering.stop}); then nothing is left behind.
 */
import type { Files, TemporaryFile } from "../runtime/files.ts";
import type { BufferMemory } from "./buffer_memory.ts";
import { type DeadlineHolder, type Deadlines, NO_SLOT } from "./deadlines.ts";
import { errorText, UpstreamError } from "./errors.ts";
import { type PieceReader, pieceReader } from "./paced_reader.ts";
import type { SpillSpace } from "./spill_space.ts";
import {
  type BodyReader,
  type RequestBody,
  requireLength,
  type SendableBody,
} from "./request_body.ts";
import { reportIfOurs } from "../runtime/unexpected.ts";

/** How long a body waits for space on the disk. */
export const SPACE_TIMEOUT_MS = 30_000;

const READ_LENGTH = 64 * 1024;

export interface GatheringDeps {
  readonly files: Files;
  /** What all temporary files share. */
  readonly space: SpillSpace;
  /** What all buffers share. */
  readonly memory: BufferMemory;
  readonly deadlines: Deadlines;
  /** Longest wait for the next piece; 0: no limit. */
  readonly timeoutMs: number;
}

export class BodyGathering implements DeadlineHolder {
  deadlineMs: number;
  deadlineSlot = NO_SLOT;
  readonly #body: RequestBody;
  readonly #deps: GatheringDeps;
  readonly #reader: PieceReader;
  readonly #pieces: Uint8Array[] = [];
  #memoryLength = 0;
  #file: TemporaryFile | undefined;
  #fileLength = 0;
  #stopped: UpstreamError | undefined;
  /** While it waits for space: why, and what goes on. */
  #waiting: { readonly cause: unknown; wake(): void } | undefined;

  constructor(body: RequestBody, deps: GatheringDeps) {
    this.#body = body;
    this.#deps = deps;
    this.#reader = pieceReader(body.stream, body.rateMin ?? 0, deps.deadlines);
    this.deadlineMs = deps.deadlines.after(deps.timeoutMs);
  }

  /** Reads all of it; to be called once. @throws {UpstreamError} */
  async run(): Promise<SendableBody> {
    const { deadlines } = this.#deps;
    deadlines.add(this);
    try {
      await this.#readAll();
      const { space, memory } = this.#deps;
      const file = this.#file && new SharedFile(this.#file, this.#fileLength, space);
      const held = { pieces: this.#pieces, length: this.#memoryLength, memory };
      return new GatheredBody(held, file, this.#fileLength);
    } catch (cause) {
      reportIfOurs(cause, "gathering a body");
      this.#file?.close();
      this.#deps.space.give(this.#fileLength);
      this.#deps.memory.count(-this.#memoryLength);
      this.#reader.cancel(cause).catch(() => {});
      throw this.#stopped ?? bodyError(cause);
    } finally {
      deadlines.remove(this);
    }
  }

  /** Makes {@link run} reject with this. */
  stop(reason: UpstreamError): void {
    this.#stopped ??= reason;
    this.#waiting?.wake();
    this.#reader.cancel(reason).catch(() => {});
  }

  onDeadline(): void {
    this.deadlineMs = Infinity;
    if (this.#waiting !== undefined) {
      this.stop(spaceError(this.#waiting.cause));
      return;
    }
    const message = `Nothing more of the request's body for ${this.#deps.timeoutMs} ms`;
    this.stop(
      new UpstreamError("request_body_timeout", message, { phase: "queue", fault: "client" }),
    );
  }

  async #readAll(): Promise<void> {
    const { length: declared } = this.#body;
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (this.#stopped !== undefined) throw this.#stopped;
      if (!done) await this.#keep(value);
      if (declared !== undefined) {
        requireLength(this.#memoryLength + this.#fileLength, declared, done);
      }
      if (done) return;
      this.deadlineMs = this.#deps.deadlines.after(this.#deps.timeoutMs);
    }
  }

  async #keep(piece: Uint8Array): Promise<void> {
    const { space, files, deadlines, memory } = this.#deps;
    const fits = this.#memoryLength + piece.length <= this.#body.memoryMax;
    if (this.#file === undefined && fits && !memory.isTight(piece.length)) {
      this.#pieces.push(piece);
      this.#memoryLength += piece.length;
      memory.count(piece.length);
      return;
    }
    const giveUpMs = deadlines.nowMs() + SPACE_TIMEOUT_MS;
    for (;;) {
      let cause: unknown;
      if (space.take(piece.length)) {
        try {
          this.#file ??= await files.temporary();
          await this.#file.append([piece]);
          this.#fileLength += piece.length;
          return;
        } catch (error) {
          cause = error;
          space.give(piece.length);
          space.block(cause);
        }
      }
      this.deadlineMs = giveUpMs;
      await this.#untilSpace(cause);
      if (this.#stopped !== undefined) throw this.#stopped;
    }
  }

  async #untilSpace(cause: unknown): Promise<void> {
    const { promise, resolve: wake } = Promise.withResolvers<void>();
    const leave = this.#deps.space.wait(wake);
    this.#waiting = { cause, wake };
    if (this.#stopped === undefined) await promise;
    this.#waiting = undefined;
    leave();
  }
}

function spaceError(cause: unknown): UpstreamError {
  const why = cause === undefined ? "limits.spill_total is used up" : errorText(cause);
  const message = `Cannot keep the request's body in a temporary file: ${why}`;
  return new UpstreamError("spill_failed", message, { phase: "queue", fault: "local", cause });
}

class SharedFile {
  readonly #file: TemporaryFile;
  readonly #length: number;
  readonly #space: SpillSpace;
  #closed = false;

  constructor(file: TemporaryFile, length: number, space: SpillSpace) {
    this.#file = file;
    this.#length = length;
    this.#space = space;
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return this.#file.read(offset, length);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
    this.#space.give(this.#length);
  }
}

/** Who failed is us, where keeping the body did not work; else who sends it. */
function bodyError(cause: unknown): UpstreamError {
  if (cause instanceof UpstreamError) return cause;
  return new UpstreamError("request_body_failed", "Cannot read the request's body", {
    phase: "queue",
    fault: "client",
    cause,
  });
}

/** What a body has of the memory that all buffers share. */
interface HeldPieces {
  readonly pieces: readonly Uint8Array[];
  readonly length: number;
  readonly memory: BufferMemory;
}

/** The first bytes in memory, the others in a file; can be sent any number of times. */
class GatheredBody implements SendableBody {
  readonly isThere = true;
  readonly length: number;
  readonly #held: HeldPieces;
  #isClosed = false;
  readonly #file: SharedFile | undefined;
  readonly #fileLength: number;

  constructor(held: HeldPieces, file: SharedFile | undefined, fileLength: number) {
    this.#held = held;
    this.#file = file;
    this.#fileLength = fileLength;
    this.length = held.length + fileLength;
  }

  reader(): BodyReader {
    let pieceIndex = 0;
    let offset = 0;
    return {
      read: async () => {
        const { pieces } = this.#held;
        if (pieceIndex < pieces.length) return pieces[pieceIndex++];
        if (this.#file === undefined || offset >= this.#fileLength) return undefined;
        const bytes = await this.#readFile(this.#file, offset);
        offset += bytes.length;
        return bytes;
      },
      cancel: () => {},
    };
  }

  close(): void {
    this.#file?.close();
    if (!this.#isClosed) this.#held.memory.count(-this.#held.length);
    this.#isClosed = true;
  }

  async #readFile(file: SharedFile, offset: number): Promise<Uint8Array> {
    try {
      const bytes = await file.read(offset, READ_LENGTH);
      if (bytes.length === 0) throw new Error("it ended early");
      return bytes;
    } catch (cause) {
      const message = `Cannot read the request's body back from its temporary file: ${
        errorText(cause)
      }`;
      throw new UpstreamError("spill_failed", message, {
        phase: "send",
        fault: "local",
        sent: true,
        cause,
      });
    }
  }
}
