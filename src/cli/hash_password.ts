/**
 * `afcgi hash-password [NAME]`: a line for a file of users (`basic_auth: { file }`). The password comes
 * from standard input: in the arguments everybody on the machine could read it.
 */
import { hash } from "bcryptjs";
import { BCRYPT_COST_MAX } from "../passwords/password_hash.ts";
import {
  type CommandArguments,
  type CommandDefinition,
  type CommandIo,
  ExitStatus,
  print,
  printError,
  UsageError,
} from "./command.ts";

const COST_MIN = 4;
const COST_DEFAULT = "10";
/** bcrypt reads no more bytes of a password: two that differ behind them would be one. */
const PASSWORD_BYTES_MAX = 72;
/** Longest input that is read, in bytes. */
const INPUT_LENGTH_MAX = 4096;

export const hashPasswordCommand: CommandDefinition = {
  declare: (command) => {
    command
      .argument("[name]", "the user's name, to print NAME:HASH instead of the hash")
      .option("--cost <number>", `bcrypt's cost, ${COST_MIN} to ${BCRYPT_COST_MAX}`, COST_DEFAULT);
  },
  run: hashPassword,
};

async function hashPassword(io: CommandIo, args: CommandArguments): Promise<number> {
  const [name] = args.positional;
  if (name !== undefined && !/^[^:#\s][^:\r\n\0]*$/.test(name)) {
    throw new UsageError(`Cannot use "${name}" as a name: use one without ":" and line breaks`);
  }
  const cost = readCost(String(args.options["cost"]));
  const password = await readLine(io);
  const length = new TextEncoder().encode(password).length;
  const error = password === ""
    ? "There is no password on standard input (printf %s PASSWORD | afcgi hash-password)"
    : length > PASSWORD_BYTES_MAX
    ? `The password has ${length} bytes, and bcrypt reads ${PASSWORD_BYTES_MAX} (use a shorter one)`
    : password.includes("\0")
    ? "The password has a zero byte, where bcrypt would end (use one without)"
    : undefined;
  if (error !== undefined) {
    printError(io, error);
    return ExitStatus.usage;
  }
  const text = await hash(password, cost);
  print(io, name === undefined ? text : `${name}:${text}`);
  return ExitStatus.fine;
}

function readCost(text: string): number {
  const cost = Number(text);
  if (Number.isInteger(cost) && cost >= COST_MIN && cost <= BCRYPT_COST_MAX) return cost;
  throw new UsageError(
    `Cannot use "${text}" for --cost: use a number from ${COST_MIN} to ${BCRYPT_COST_MAX}`,
  );
}

/** The first line, without its end. */
async function readLine(io: CommandIo): Promise<string> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const reader = io.runtime.process.stdin.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    pieces.push(value);
    length += value.length;
    if (value.includes(0x0a)) break;
    if (length > INPUT_LENGTH_MAX) {
      throw new UsageError(
        `Standard input has more than ${INPUT_LENGTH_MAX} bytes without a line end`,
      );
    }
  }
  reader.cancel().catch(() => {});
  const text = new TextDecoder().decode(await new Blob(pieces as BlobPart[]).bytes());
  return text.split(/\r?\n/, 1)[0] ?? "";
}
