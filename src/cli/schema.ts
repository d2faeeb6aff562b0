/** `afcgi schema`: the config file's keys, as JSON Schema for editors or as a page to read. */
import { configJsonSchema } from "../config/json_schema.ts";
import { configReference } from "../config/reference.ts";
import {
  type CommandArguments,
  type CommandDefinition,
  type CommandIo,
  ExitStatus,
  print,
} from "./command.ts";

export const schemaCommand: CommandDefinition = {
  declare: (command) => {
    command.option("--markdown", "a Markdown page of every key instead");
  },
  run: schema,
};

async function schema(io: CommandIo, { options }: CommandArguments): Promise<number> {
  const jsonSchema = configJsonSchema();
  const text = options["markdown"]
    ? configReference(jsonSchema).trimEnd()
    : JSON.stringify(jsonSchema, null, 2);
  print(io, text);
  return ExitStatus.fine;
}
