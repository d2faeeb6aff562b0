/** Every case of h2spec but that of a preface that is none, which no client of HTTP/2 can send. */
import type { Case } from "./h2spec_cases.ts";
import { FRAME_CASES } from "./h2spec_frames.ts";
import { GENERIC_CASES } from "./h2spec_generic.ts";
import { MESSAGE_CASES } from "./h2spec_messages.ts";
import { STREAM_CASES } from "./h2spec_streams.ts";

export const H2SPEC_CASES: readonly Case[] = [
  ...GENERIC_CASES,
  ...STREAM_CASES,
  ...FRAME_CASES,
  ...MESSAGE_CASES,
];
