/**
 * The header fields of a request, to be asked as Fetch's `Headers` are. Two arrays instead of them: a
 * request has some ten fields and is asked for three, and a native `Headers` costs as much as all the
 * rest of reading a header section. Where there are many, their places are found by name: to look
 * through all of them for each would cost their number's square.
 */
import type { HttpHeaders } from "../runtime/http_request.ts";

const COOKIE_SEPARATOR = "; ";
const VALUE_SEPARATOR = ", ";

/** So many are looked through faster than found. */
export const LOOKED_THROUGH_MAX = 24;

/** Names are in lower case and none comes twice; each character of a value stands for one byte. */
export class RequestFields implements HttpHeaders {
  /** Whether they came with an earlier request, too: what is made of them may be kept with them. */
  isRepeated = false;
  readonly #names: string[] = [];
  readonly #values: string[] = [];
  /** From a name to its place, once there are many. */
  #places: Map<string, number> | undefined;

  /** Adds a field; a repeated one is joined (RFC 9110 section 5.3): the result is no. */
  add(name: string, value: string): boolean {
    const index = this.#find(name);
    if (index < 0) {
      this.#places?.set(name, this.#names.length);
      this.#names.push(name);
      this.#values.push(value);
      if (this.#names.length === LOOKED_THROUGH_MAX) this.#places = placesOf(this.#names);
      return true;
    }
    this.#values[index] += (name === "cookie" ? COOKIE_SEPARATOR : VALUE_SEPARATOR) + value;
    return false;
  }

  /** The same with another value of a field that is there. */
  with(name: string, value: string): RequestFields {
    const others = new RequestFields();
    this.forEach((own, field) => void others.add(field, field === name ? value : own));
    return others;
  }

  get size(): number {
    return this.#names.length;
  }

  get(name: string): string | null {
    const index = this.#find(name);
    if (index >= 0) return this.#values[index]!;
    // Ours are written in lower case; whoever asks otherwise is in no hurry.
    const lower = name.toLowerCase();
    return lower === name ? null : this.get(lower);
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }

  /** Always empty: a field of responses. */
  getSetCookie(): string[] {
    return [];
  }

  forEach(callback: (value: string, name: string) => void): void {
    for (let index = 0; index < this.#names.length; index++) {
      callback(this.#values[index]!, this.#names[index]!);
    }
  }

  #find(name: string): number {
    if (this.#places !== undefined) return this.#places.get(name) ?? -1;
    const names = this.#names;
    for (let index = 0; index < names.length; index++) if (names[index] === name) return index;
    return -1;
  }

  *entries(): IterableIterator<[name: string, value: string]> {
    for (let index = 0; index < this.#names.length; index++) {
      yield [this.#names[index]!, this.#values[index]!];
    }
  }

  keys(): IterableIterator<string> {
    return this.#names.values();
  }

  values(): IterableIterator<string> {
    return this.#values.values();
  }

  [Symbol.iterator](): IterableIterator<[name: string, value: string]> {
    return this.entries();
  }
}

function placesOf(names: readonly string[]): Map<string, number> {
  return new Map(names.map((name, place) => [name, place]));
}
