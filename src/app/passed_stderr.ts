/**
 * Lines of requests' STDERR on their way to the main thread, which alone knows what spawned
 * applications write themselves: php-fpm says the same in both places (`spawn/fpm_messages.ts`). Those
 * of one turn of the event loop go together, for a message may have several lines.
 */
import type { LogFields } from "../observe/logger.ts";
import type { Clock } from "../runtime/clock.ts";

/** It can be sent as a message. */
export interface StderrLine {
  readonly upstream: string;
  readonly text: string;
  readonly fields: LogFields;
}

export class PassedStderr {
  readonly #clock: Pick<Clock, "atTurnEnd">;
  readonly #send: (lines: readonly StderrLine[]) => void;
  #lines: StderrLine[] = [];

  constructor(clock: Pick<Clock, "atTurnEnd">, send: (lines: readonly StderrLine[]) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  readonly push = (line: StderrLine): void => {
    this.#lines.push(line);
    if (this.#lines.length === 1) this.#clock.atTurnEnd(() => this.flush());
  };

  flush(): void {
    const lines = this.#lines;
    this.#lines = [];
    if (lines.length > 0) this.#send(lines);
  }
}
