/**
 * Management records (section 4) as the application side answers them: GET_VALUES with what was
 * asked for and is known, a type that is not known with UNKNOWN_TYPE.
 */
import { ManagementValue, NULL_REQUEST_ID, RecordType, recordTypeName } from "./constants.ts";
import { ProtocolError } from "./errors.ts";
import { decodeNameValues, encodeNameValues } from "./name_value.ts";
import type { FastCgiRecord } from "./record_decoder.ts";
import type { RecordEncoder } from "./record_encoder.ts";

/** What GET_VALUES can ask for. */
export interface ServerCapacity {
  /** Whether several requests may be in flight on one connection. */
  readonly multiplex: boolean;
  readonly connectionsMax: number;
  readonly requestsMax: number;
}

/** @throws {ProtocolError} `bad_record` for a record that belongs to a request */
export function replyToManagement(
  { type, content }: FastCgiRecord,
  capacity: ServerCapacity,
  encoder: RecordEncoder,
): void {
  if (type === RecordType.GET_VALUES) {
    const values = encodeNameValues(knownValues(content, capacity));
    encoder.record(RecordType.GET_VALUES_RESULT, NULL_REQUEST_ID, values);
  } else if (type >= RecordType.BEGIN_REQUEST && type <= RecordType.DATA) {
    throw new ProtocolError("bad_record", `Cannot take ${recordTypeName(type)} for request 0`);
  } else if (type !== RecordType.UNKNOWN_TYPE) {
    // Answering UNKNOWN_TYPE with itself could go back and forth for ever.
    encoder.unknownType(type);
  }
}

/** The variables that were asked for and that we know (section 4.1), each once. */
function knownValues(asked: Uint8Array, capacity: ServerCapacity): [string, string][] {
  const known = new Map<string, number>([
    [ManagementValue.MAX_CONNS, capacity.connectionsMax],
    [ManagementValue.MAX_REQS, capacity.requestsMax],
    [ManagementValue.MPXS_CONNS, capacity.multiplex ? 1 : 0],
  ]);
  const values: [string, string][] = [];
  for (const [name] of decodeNameValues(asked)) {
    const value = known.get(name);
    if (value === undefined) continue;
    values.push([name, String(value)]);
    known.delete(name);
  }
  return values;
}
