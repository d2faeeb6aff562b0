/**
 * nginx's variables → references of our texts (docs/parameters.md). A text with a variable that has
 * no counterpart has none either.
 */

export interface VariableValues {
  readonly root: string | undefined;
  readonly serverName: string;
  /** What `$1` is, where a rewrite has said it. */
  readonly captured?: string;
}

const REFERENCES: Readonly<Record<string, string>> = {
  request_method: "request.method",
  scheme: "request.scheme",
  host: "request.host",
  server_port: "request.port",
  request_uri: "request.target",
  uri: "request.path",
  document_uri: "request.path",
  query_string: "request.query",
  args: "request.query",
  remote_addr: "client.address",
  remote_port: "client.port",
  request_id: "request.id",
};

const VARIABLE = /\$(?:\{(\w+)\}|(\w+))/g;

/** Undefined when a variable cannot be said. */
export function toTemplate(text: string, values: VariableValues): string | undefined {
  let isKnown = true;
  // What looks like a reference of ours and is none of nginx's stays a text.
  const template = text.replaceAll(VARIABLE, (_all, braced, plain) => {
    const said = sayVariable(braced ?? plain, values);
    isKnown &&= said !== undefined;
    return said ?? "";
  });
  return isKnown ? template : undefined;
}

function sayVariable(name: string, values: VariableValues): string | undefined {
  if (name === "document_root" || name === "realpath_root") return values.root;
  if (name === "server_name") return values.serverName;
  if (name === "1") return values.captured;
  const reference = REFERENCES[name];
  if (reference !== undefined) return `\${${reference}}`;
  const header = /^http_(\w+)$/.exec(name)?.[1];
  return header && `\${request.header.${header.replaceAll("_", "-")}}`;
}
