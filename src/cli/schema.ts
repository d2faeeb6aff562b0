/** `afcgi schema`: JSON Schema of the config file, for editors. */
import { configJsonSchema } from "../config/json_schema.ts";
import { type CommandDefinition, type CommandIo, ExitStatus, print } from "./command.ts";

export const schemaCommand: CommandDefinition = {
  name: "schema",
  summary: "print the JSON Schema (2020-12) of the config file",
  declare: () => {},
  run: schema,
};

async function schema(io: CommandIo): Promise<number> {
  print(io, JSON.stringify(configJsonSchema(), null, 2));
  return ExitStatus.fine;
}
