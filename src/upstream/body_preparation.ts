/**
 * Makes the bodies of a request ready to be sent. One of known length is streamed to an application
 * that multiplexes: a slow upload holds no worker there. Every other is gathered first, which also
 * gives a chunked one its exact length. HTTP servers get each as it comes.
 */
import { Role } from "../protocol/constants.ts";
import type { Files } from "../runtime/files.ts";
import { BodyGathering } from "./body_gathering.ts";
import type { Deadlines } from "./deadlines.ts";
import { pieceReader } from "./paced_reader.ts";
import type { UpstreamRequest } from "./request.ts";
import {
  isStreamed,
  Payload,
  type RequestBody,
  type SendableBody,
  StreamedBody,
} from "./request_body.ts";
import type { BufferMemory } from "./buffer_memory.ts";
import { memoryFor } from "./memory_wait.ts";
import type { SpillSpace } from "./spill_space.ts";
import type { StoppableWaits } from "./stoppable_waits.ts";

export interface BodyPreparationDeps {
  readonly files: Files;
  readonly space: SpillSpace;
  readonly memory: BufferMemory;
  readonly deadlines: Deadlines;
  /** Longest wait for the next piece of a body that is gathered; 0: no limit. */
  readonly timeoutMs: number;
  readonly waits: StoppableWaits;
  /** Whether every server is known to take requests side by side. */
  readonly multiplexes: () => boolean;
  /** Whether every body is streamed that nobody wants gathered, as to HTTP servers. */
  readonly streams: boolean;
}

export class BodyPreparation {
  readonly #deps: BodyPreparationDeps;

  constructor(deps: BodyPreparationDeps) {
    this.#deps = deps;
  }

  /** @throws {UpstreamError} when a body that is gathered fails, or the wait for it is stopped */
  async prepare(request: UpstreamRequest): Promise<Payload> {
    const { body, data } = request;
    const stdin = body && await this.#prepareBody(body, request);
    try {
      if (data === undefined || "reader" in data) return new Payload(stdin, data);
      return new Payload(stdin, await this.#prepareBody(data, request));
    } catch (error) {
      stdin?.close();
      throw error;
    }
  }

  async #prepareBody(body: RequestBody, request: UpstreamRequest): Promise<SendableBody> {
    const { files, space, memory, deadlines, timeoutMs, waits, multiplexes, streams } = this.#deps;
    if (memory.isOver()) await memoryFor(request.signal, { memory, deadlines, waits });
    const goesAsItComes = streams ? body.mode !== "gather" : isStreamed(body, multiplexes());
    if (request.role === Role.RESPONDER && goesAsItComes) {
      const { stream, rateMin = 0, length } = body;
      return new StreamedBody(() => pieceReader(stream, rateMin, deadlines), length, memory);
    }
    const gathering = new BodyGathering(body, { files, space, memory, deadlines, timeoutMs });
    const release = waits.add(request.signal, (error) => gathering.stop(error));
    try {
      return await gathering.run();
    } finally {
      release();
    }
  }
}
