/**
 * Which response sends next (RFC 9218 section 10): the most urgent first, among equals those that are
 * incremental in turn, the others one after the other. Now and then a less urgent one has its turn
 * all the same: behind a balancer the streams of a connection may be of people who know nothing of
 * each other, and nobody is to wait for ever.
 */

export interface Queued {
  urgency: number;
  isIncremental: boolean;
  isQueued: boolean;
}

const URGENCIES = 8;

/** Every so often the least urgent has its turn. */
export const LEAST_URGENT_EVERY = 16;

export class StreamQueue<T extends Queued> {
  readonly #byUrgency: T[][] = Array.from({ length: URGENCIES }, () => []);
  #length = 0;
  #turns = 0;

  get length(): number {
    return this.#length;
  }

  /** Adds who is not there yet. */
  add(stream: T): void {
    if (stream.isQueued) return;
    stream.isQueued = true;
    this.#byUrgency[stream.urgency]!.push(stream);
    this.#length++;
  }

  remove(stream: T): void {
    if (!stream.isQueued) return;
    stream.isQueued = false;
    const queue = this.#byUrgency[stream.urgency]!;
    queue.splice(queue.indexOf(stream), 1);
    this.#length--;
  }

  /** Gives a stream another place. */
  reprioritize(stream: T, urgency: number, isIncremental: boolean): void {
    const { isQueued } = stream;
    this.remove(stream);
    stream.urgency = urgency;
    stream.isIncremental = isIncremental;
    if (isQueued) this.add(stream);
  }

  /** Whose turn it is; it stays in the queue. */
  next(): T | undefined {
    if (this.#length === 0) return undefined;
    const isLeast = ++this.#turns % LEAST_URGENT_EVERY === 0;
    const queue = isLeast
      ? this.#byUrgency.findLast(({ length }) => length > 0)
      : this.#byUrgency.find(({ length }) => length > 0);
    return queue?.[0];
  }

  /** It has had its turn and has more: an incremental one goes behind the others. */
  rotate(stream: T): void {
    const queue = this.#byUrgency[stream.urgency]!;
    if (!stream.isIncremental || queue.length < 2 || queue[0] !== stream) return;
    queue.shift();
    queue.push(stream);
  }
}
