/** Values of flags, read; what cannot be read is a {@link UsageError} that names the flag. */
import { parseTime, TIME_MAX_MS, timeRemedy } from "../config/units.ts";
import {
  type Address,
  AddressError,
  type AddressRules,
  FASTCGI_PORT,
  type ListenAddress,
  parseAddress,
  parseListenAddress,
} from "../runtime/address.ts";
import { UsageError } from "./command.ts";

export function readAddressFlag(flag: string, text: string, rules: AddressRules): Address {
  return readByFlag(flag, () => parseAddress(text, rules));
}

/** Where a FastCGI application listens. */
export function readListenFlag(flag: string, text: string): ListenAddress {
  return readByFlag(flag, () => parseListenAddress(text, { defaultPort: FASTCGI_PORT }));
}

function readByFlag<Value>(flag: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof AddressError) throw new UsageError(`${flag}: ${error.message}`);
    throw error;
  }
}

/** Milliseconds, from a text with a unit. */
export function readTimeFlag(flag: string, text: string): number {
  const timeMs = parseTime(text);
  if (timeMs !== undefined && timeMs > 0 && timeMs <= TIME_MAX_MS) return timeMs;
  throw new UsageError(`${flag}: Cannot read time "${text}" (${timeRemedy(text)})`);
}

export function readCountFlag(flag: string, text: string, min: number, max: number): number {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (count >= min && count <= max) return count;
  throw new UsageError(`${flag}: "${text}" cannot be used (use a whole number, ${min} to ${max})`);
}

/** For a flag that may be given several times: all its texts, in order. */
export function repeated(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}
