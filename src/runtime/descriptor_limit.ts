/**
 * Whether a descriptor can be had at this moment, for those who are only told that something failed:
 * Bun says ECONNREFUSED of every connect that did not come about (seen in 1.4.5).
 */
import { closeSync, openSync } from "node:fs";
import { errorCode } from "./error_code.ts";
import { isExhaustion } from "./file_error.ts";

/** The error of a process, or a system, that has no more of them; undefined where there are some. */
export function descriptorShortage(): Error | undefined {
  try {
    closeSync(openSync("/", "r"));
    return undefined;
  } catch (error) {
    return error instanceof Error && isExhaustion(errorCode(error)) ? error : undefined;
  }
}
