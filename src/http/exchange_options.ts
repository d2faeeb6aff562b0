/**
 * What a route says of the way to its application and back, as nginx's FastCGI module has it: which
 * fields of a response are for clients and which are obeyed, what of a request goes on, and what
 * becomes of it when its client leaves or a server fails.
 */
import type { CgiHeaderSection } from "../protocol/cgi_response.ts";
import type { StoreOptions } from "./response_store.ts";
import type { NextCase } from "../upstream/next_server.ts";

export interface ExchangeOptions {
  /** Fields of a response that no client gets; in lower case, as all names here. */
  readonly hideHeaders?: readonly string[];
  /** Fields for the gateway that clients get as well. */
  readonly passHeaders?: readonly string[];
  /** Fields for the gateway that it does not obey. */
  readonly ignoreHeaders?: readonly string[];
  /** Whether a request's body goes to the application; yes, left out. */
  readonly passRequestBody?: boolean;
  /** Whether its header fields do (`HTTP_*`); yes, left out. */
  readonly passRequestHeaders?: boolean;
  /** Whether the application goes on when the client has left. */
  readonly ignoreClientAbort?: boolean;
  /** After what another server gets the request; left out: as the upstream's `retry`. */
  readonly nextUpstream?: readonly NextCase[];
  /** Texts on STDERR by which a response is none. */
  readonly catchStderr?: readonly string[];
  /** Where copies of responses are kept; left out: nowhere. */
  readonly store?: StoreOptions;
}

/** Fields of a response that speak to the gateway, and may be passed or ignored. */
export const GATEWAY_FIELDS = [
  "x-accel-redirect",
  "x-accel-buffering",
  "x-accel-charset",
  "x-accel-expires",
  "x-accel-limit-rate",
  "x-sendfile",
] as const;

export type SectionRule = (section: CgiHeaderSection) => CgiHeaderSection;

/** Undefined where header sections stay as they are. */
export function compileSectionRule(
  { hideHeaders = [], passHeaders = [], ignoreHeaders = [] }: ExchangeOptions,
): SectionRule | undefined {
  if (hideHeaders.length + passHeaders.length + ignoreHeaders.length === 0) return undefined;
  const passed = new Set(passHeaders);
  const hidden = new Set([...hideHeaders, ...ignoreHeaders].filter((name) => !passed.has(name)));
  const ignored = new Set(ignoreHeaders);
  // Header sections come again, as the same objects.
  const known = new WeakMap<CgiHeaderSection, CgiHeaderSection>();
  const apply = (section: CgiHeaderSection): CgiHeaderSection => {
    const { headers, directives: told, ...others } = section;
    const obeyed = [...told ?? []].filter(([name]) => !ignored.has(name));
    return {
      ...others,
      headers: headers.filter(([name]) => !hidden.has(name.toLowerCase())),
      ...(obeyed.length > 0 && { directives: new Map(obeyed) }),
      ...(passed.size > 0 && { passed }),
    };
  };
  return (section) => {
    const made = known.get(section) ?? apply(section);
    known.set(section, made);
    return made;
  };
}

/** The same stream, which nobody stops: what its reader leaves is read and dropped. */
export function readToItsEnd(stream: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = stream.getReader();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      try {
        while (!(await reader.read()).done);
      } catch {
        // It broke off, and nobody waits for it.
      }
    },
  }, { highWaterMark: 0 });
}
