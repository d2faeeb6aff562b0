/**
 * Whether somebody sees to the end of every response that a handler gives: a stream is read to its
 * end or cancelled, a file is closed, also where its client has left before it was sent.
 */
import { BytesResponse, FileResponse, type HttpResponse } from "../../src/runtime/http_response.ts";

export class GivenResponses {
  readonly #open = new Map<object, string>();

  /** The same response, of which is heard when it is over. */
  watch(response: HttpResponse): HttpResponse {
    if (response instanceof BytesResponse) return response;
    if (response instanceof FileResponse) {
      this.#watchFile(response);
      return response;
    }
    const { body } = response;
    if (body !== null && !body.locked) this.#watchStream(body as ReadableStream<Uint8Array>);
    return response;
  }

  /** What nobody has seen to. */
  get left(): string[] {
    return [...this.#open.values()];
  }

  #watchFile({ file }: FileResponse): void {
    this.#open.set(file, "a file");
    const close = file.close.bind(file);
    const stream = file.stream.bind(file);
    file.close = () => {
      this.#open.delete(file);
      close();
    };
    file.stream = (pieces) => {
      this.#open.delete(file);
      return stream(pieces);
    };
  }

  #watchStream(body: ReadableStream<Uint8Array>): void {
    this.#open.set(body, "a stream");
    const over = (): void => void this.#open.delete(body);
    const getReader = body.getReader.bind(body) as () => ReadableStreamDefaultReader<Uint8Array>;
    const cancel = body.cancel.bind(body);
    body.cancel = (reason) => {
      over();
      return cancel(reason);
    };
    const watched = () => {
      const reader = getReader();
      const cancelReader = reader.cancel.bind(reader);
      reader.cancel = (reason) => {
        over();
        return cancelReader(reason);
      };
      // It ends, or breaks, whoever reads it.
      reader.closed.then(over, over);
      return reader;
    };
    body.getReader = watched as typeof body.getReader;
  }
}
