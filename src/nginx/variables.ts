/**
 * nginx's variables → references of our texts (docs/parameters.md). A text with a variable that has
 * no counterpart has none either.
 */
export interface VariableValues {
  readonly root: string | undefined;
  readonly serverName: string;
  /** What `$1` is, where a rewrite has said it. */
  readonly captured?: string | undefined;
  /** Groups of the route's path, by number or name; left out: it has none. */
  readonly hasGroup?: ((name: string) => boolean) | undefined;
  /** What `set` has made of variables, in our words; undefined for what cannot be said. */
  readonly set?: ReadonlyMap<string, string | undefined> | undefined;
  /** `map` and `geo` of the file. */
  readonly tables?: { referenceTo(name: string): string | undefined } | undefined;
  /** What stands for `$server_port`; undefined where it cannot be said. */
  readonly port?: string | undefined;
  /** The scheme that is spoken at each port, where it says the port. */
  readonly schemes?: ReadonlyMap<string, "http" | "https"> | undefined;
}

const REFERENCES: Readonly<Record<string, string>> = {
  request_method: "request.method",
  scheme: "request.scheme",
  host: "request.host",
  request_uri: "request.target",
  uri: "request.path",
  document_uri: "request.path",
  query_string: "request.query",
  args: "request.query",
  remote_addr: "client.address",
  remote_user: "client.user",
  remote_port: "client.port",
  request_id: "request.id",
  content_type: "request.header.content-type",
  content_length: "request.header.content-length",
  ssl_protocol: "tls.version",
  ssl_cipher: "tls.cipher",
  ssl_server_name: "tls.server_name",
  ssl_client_verify: "tls.client_verify",
  ssl_client_s_dn: "tls.client_s_dn",
  ssl_client_i_dn: "tls.client_i_dn",
  ssl_client_serial: "tls.client_serial",
  ssl_client_fingerprint: "tls.client_fingerprint",
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

/** The text where nothing of the request is in it. */
export function toConstant(text: string, values: VariableValues): string | undefined {
  const template = toTemplate(text, values);
  return template === undefined || template.includes("${") ? undefined : template;
}

/** Names of the variables in a text. */
export function variablesIn(text: string): string[] {
  return [...text.matchAll(VARIABLE)].map(([, braced, plain]) => (braced ?? plain)!);
}

function sayVariable(name: string, values: VariableValues): string | undefined {
  if (values.set?.has(name)) return values.set.get(name);
  if (name === "document_root" || name === "realpath_root") return values.root;
  if (name === "server_name") return values.serverName;
  if (name === "server_port") return values.port ?? "${request.port}";
  if (name === "1" && values.captured !== undefined) return values.captured;
  if (values.hasGroup?.(name)) return `\${path.${name}}`;
  const reference = REFERENCES[name];
  if (reference !== undefined) return `\${${reference}}`;
  const table = values.tables?.referenceTo(name);
  if (table !== undefined) return table;
  const [, kind, part] = /^(http|cookie|arg)_(\w+)$/.exec(name) ?? [];
  if (kind === "http") return `\${request.header.${part!.replaceAll("_", "-")}}`;
  if (kind === "cookie") return `\${request.cookie.${part}}`;
  return kind === "arg" ? `\${request.query.${part}}` : undefined;
}
