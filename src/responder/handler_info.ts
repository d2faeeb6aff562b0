/** What a handler is told beside the `Request`. */
import { Role } from "../protocol/constants.ts";
import type { Parameters } from "../protocol/parameters.ts";
import type { InputStream } from "./input_stream.ts";
import type { RequestInfo, RoleName, ServerStatus, StderrWriter } from "./options.ts";

const ROLE_NAMES: Readonly<Record<Role, RoleName>> = {
  [Role.RESPONDER]: "responder",
  [Role.AUTHORIZER]: "authorizer",
  [Role.FILTER]: "filter",
};

/** The request behind it. */
export interface InfoSource {
  readonly data: InputStream | undefined;
  readonly serverStatus: ServerStatus;
  /** See {@link StderrWriter}. */
  writeStderr(text: string | Uint8Array): Promise<boolean>;
  addWork(work: Promise<unknown>): void;
}

/** What costs something is made when it is asked for. */
export class HandlerInfo implements RequestInfo {
  readonly role: RoleName;
  readonly remoteAddr: string;
  readonly #parameters: Parameters;
  readonly #source: InfoSource;
  #params: ReadonlyMap<string, string> | undefined;
  #stderr: StderrWriter | undefined;
  #data: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;

  constructor(parameters: Parameters, role: Role, remoteAddr: string, source: InfoSource) {
    this.role = ROLE_NAMES[role];
    this.remoteAddr = remoteAddr;
    this.#parameters = parameters;
    this.#source = source;
  }

  get params(): ReadonlyMap<string, string> {
    return this.#params ??= this.#parameters.toMap();
  }

  get stderr(): StderrWriter {
    return this.#stderr ??= { write: (text) => this.#source.writeStderr(text) };
  }

  get data(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    if (this.#source.data === undefined) return null;
    return this.#data ??= this.#source.data.readable();
  }

  get server(): ServerStatus {
    return this.#source.serverStatus;
  }

  /** A function of its own, so that it may be taken off the object. */
  get waitUntil(): (work: Promise<unknown>) => void {
    return (work) => this.#source.addWork(work);
  }
}
