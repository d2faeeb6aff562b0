/**
 * The fields of a connection's last request. Most clients send the same ones with each request of a
 * connection: services always, browsers with much of what a page consists of. To see that they are
 * the same takes a comparison, and spares to read them and whatever is made of them (of a browser's
 * header section of 1.5 kB a quarter of all that is done for a request).
 *
 * It is forgotten when the connection is idle, so that a thousand idle ones hold nothing.
 */
import type { RequestFields } from "./request_fields.ts";

/** Longer ones are read each time, so that nobody fills the memory with them. */
export const REMEMBERED_FIELDS_LENGTH_MAX = 4096;

/** The fields of a header section, and whatever else its reader knows of them. */
interface Remembered {
  readonly protocol: string;
  readonly fields: RequestFields;
}

export class FieldsMemory<Read extends Remembered> {
  #text = "";
  #read: Read | undefined;

  /** Those of the text, if they are the last ones; then they are marked as repeated. */
  find(text: string, protocol: Read["protocol"]): Read | undefined {
    const read = this.#read;
    if (read === undefined || read.protocol !== protocol || text !== this.#text) return undefined;
    read.fields.isRepeated = true;
    return read;
  }

  keep(text: string, read: Read): void {
    if (text.length > REMEMBERED_FIELDS_LENGTH_MAX) return this.forget();
    this.#text = text;
    this.#read = read;
  }

  forget(): void {
    this.#text = "";
    this.#read = undefined;
  }
}
