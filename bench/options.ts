/** What the command line of the benchmark says. */
import { parseArgs } from "node:util";
import { CASES } from "./cases/cases.ts";
import { CONTENDERS } from "./contenders/contenders.ts";

const ROUNDS_DEFAULT = 9;
const SECONDS_DEFAULT = 1;

export interface Options {
  readonly cases: readonly string[];
  readonly contenders: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  /** Undefined: each case's own. */
  readonly clients: readonly number[] | undefined;
  /** The file for all figures. */
  readonly json: string | undefined;
}

/** Something wrong with the command line, in words. */
export class UsageError extends Error {}

/** @throws {UsageError} */
export function readOptions(args: readonly string[]): Options {
  const values = parse(args);
  const list = (texts: readonly string[] = []) => texts.flatMap((text) => text.split(","));
  const clients = list(values.clients).map((text) => count("clients", text));
  return {
    cases: names("case", list(values.case), CASES.map(({ name }) => name)),
    contenders: names("contender", list(values.contenders), CONTENDERS.map(({ name }) => name)),
    rounds: count("rounds", values.rounds ?? String(ROUNDS_DEFAULT)),
    seconds: count("seconds", values.seconds ?? String(SECONDS_DEFAULT)),
    clients: clients.length === 0 ? undefined : clients,
    json: values.json,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        case: { type: "string", multiple: true },
        contenders: { type: "string", multiple: true },
        rounds: { type: "string" },
        seconds: { type: "string" },
        clients: { type: "string", multiple: true },
        json: { type: "string" },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** The names that were given, or all of them. */
function names(what: string, given: readonly string[], known: readonly string[]) {
  const unknown = given.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`Cannot find ${what} "${unknown}": it is one of ${known.join(", ")}`);
  }
  return given.length === 0 ? known : known.filter((name) => given.includes(name));
}

function count(what: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new UsageError(`Cannot use "${text}" for --${what}: use a whole number from 1 on`);
}
