/**
 * Real captures, and what may become of them on the way: bits that flip, ends that are cut, records
 * that come twice, not at all, in another order or with other lengths, ids and types, and bytes that
 * nobody sent. A mutated capture is still mostly right, so it gets further into the code than any
 * bytes by chance.
 */
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { HEADER_LENGTH } from "../../src/protocol/constants.ts";
import { join as joinBytes } from "../support/fragments.ts";

const DIRECTORY = new URL("captures/", import.meta.url);

const MUTATIONS_MAX = 5;

/** Offsets in the header of a record. */
const AT = { type: 1, requestId: 2, contentLength: 4, paddingLength: 6 } as const;

export type Side = "web_server" | "application";

export interface Capture {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** All captures of one side that say something. */
export function capturesOf(side: Side): Capture[] {
  return readdirSync(DIRECTORY).filter((name) => name.endsWith(`.${side}.bin`)).sort()
    .map((name) => ({ name, bytes: new Uint8Array(readFileSync(new URL(name, DIRECTORY))) }))
    .filter(({ bytes }) => bytes.length > 0);
}

/** Each record with header and padding, as it stands; the captures are well formed. */
export function recordsOf(bytes: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + offset);
    const length = HEADER_LENGTH + view.getUint16(AT.contentLength) +
      view.getUint8(AT.paddingLength);
    records.push(bytes.slice(offset, offset + length));
    offset += length;
  }
  return records;
}

/** The contents of all records of a type, as one stream. */
export function streamOf(bytes: Uint8Array, type: number): Uint8Array<ArrayBuffer> {
  return joinBytes(
    recordsOf(bytes).filter((record) => record[AT.type] === type).map((record) => {
      const length = new DataView(record.buffer).getUint16(AT.contentLength);
      return record.subarray(HEADER_LENGTH, HEADER_LENGTH + length);
    }),
  );
}

interface Mutation {
  readonly kind:
    | "flip"
    | "cut"
    | "insert_bytes"
    | "duplicate"
    | "remove"
    | "swap"
    | "insert_record"
    | "type"
    | "id"
    | "length"
    | "padding";
  /** Where, as a fraction of what there is. */
  readonly at: number;
  readonly other: number;
  readonly value: number;
  readonly bytes: Uint8Array;
}

const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const anyMutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom<Mutation["kind"][]>(
    "flip",
    "flip",
    "cut",
    "insert_bytes",
    "duplicate",
    "remove",
    "swap",
    "insert_record",
    "type",
    "id",
    "length",
    "padding",
  ),
  at: fraction,
  other: fraction,
  value: fc.oneof(fc.nat(12), fc.nat(0xffff), fc.constantFrom(0, 0xff, 0xffff)),
  bytes: fc.uint8Array({ maxLength: 40 }),
});

/** A capture after a few mutations, or none. */
export function mutated(captures: readonly Capture[]): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  return fc.tuple(
    fc.constantFrom(...captures),
    fc.array(anyMutation, { maxLength: MUTATIONS_MAX }),
  ).map(([capture, mutations]) => {
    const records = recordsOf(capture.bytes);
    // Those of records first: afterwards there may be none.
    for (const mutation of mutations) mutateRecords(records, mutation);
    return mutations.reduce(mutateBytes, joinBytes(records));
  });
}

/** Bytes that are no records, after mutations of bytes alone. */
export function mutatedBytes(runs: readonly Uint8Array[]): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  return fc.tuple(
    fc.constantFrom(...runs),
    fc.array(anyMutation, { maxLength: MUTATIONS_MAX }),
  ).map(([run, mutations]) => mutations.reduce(mutateBytes, run.slice()));
}

function mutateRecords(records: Uint8Array[], mutation: Mutation): void {
  const { kind, at, other, value, bytes } = mutation;
  const index = Math.floor(at * records.length);
  const record = records[index];
  if (record === undefined) return;
  const fields = new DataView(record.buffer, record.byteOffset);
  switch (kind) {
    case "duplicate":
      records.splice(Math.floor(other * records.length), 0, record.slice());
      break;
    case "remove":
      records.splice(index, 1);
      break;
    case "swap": {
      const place = Math.floor(other * records.length);
      [records[index], records[place]] = [records[place]!, record];
      break;
    }
    case "insert_record":
      records.splice(index, 0, newRecord(value, Math.floor(other * 14), bytes));
      break;
    case "type":
      fields.setUint8(AT.type, value & 0xff);
      break;
    case "id":
      fields.setUint16(AT.requestId, value);
      break;
    case "length":
      fields.setUint16(AT.contentLength, value);
      break;
    case "padding":
      fields.setUint8(AT.paddingLength, value & 0xff);
      break;
  }
}

function mutateBytes(
  all: Uint8Array<ArrayBuffer>,
  { kind, at, value, bytes }: Mutation,
): Uint8Array<ArrayBuffer> {
  const offset = Math.floor(at * all.length);
  if (kind === "cut") return all.slice(0, offset);
  if (kind === "insert_bytes") return joinBytes([all.slice(0, offset), bytes, all.slice(offset)]);
  if (kind === "flip" && all.length > 0) all[offset]! ^= 1 << (value % 8);
  return all;
}

function newRecord(id: number, type: number, content: Uint8Array): Uint8Array {
  const record = new Uint8Array(HEADER_LENGTH + content.length);
  record[0] = 1;
  const fields = new DataView(record.buffer);
  fields.setUint8(AT.type, type);
  fields.setUint16(AT.requestId, id & 0xf);
  fields.setUint16(AT.contentLength, content.length);
  record.set(content, HEADER_LENGTH);
  return record;
}
