/** Directives that say something of requests and leave them to others: `root`, `header`, `encode` … */
import { type Step, Unsayable } from "../import/chain.ts";
import type { Directive } from "../import/directive.ts";
import { sizeText } from "../import/units.ts";
import type { Matcher } from "./matchers.ts";
import { matcherOf } from "./matchers.ts";
import { toTemplate } from "./placeholders.ts";
import type { SiteContext, SiteState } from "./site_state.ts";
import { caddySize } from "./units.ts";
import { whenOf } from "./when.ts";
import { httpUpstream } from "./http_upstream.ts";

type Apply = (state: SiteState) => SiteState;

export type DirectiveReader = (
  directive: Directive,
  context: SiteContext,
) => readonly Step<SiteState>[];

function setting(matcher: Matcher, directive: Directive, apply: Apply): readonly Step<SiteState>[] {
  if (matcher.file !== undefined) {
    throw new Unsayable(directive, "files are only looked for where they are served");
  }
  return [{ kind: "set", when: whenOf(matcher, directive), apply }];
}

export const root: DirectiveReader = (directive, context) => {
  // `root /srv` names no path.
  const isAlone = directive.args.length === 1;
  const { matcher, args } = isAlone
    ? { matcher: ALL, args: directive.args }
    : matcherOf(directive, context);
  const [path = ""] = args;
  context.notes.take(directive);
  return setting(matcher, directive, (state) => {
    const said = toTemplate(path, directive, context);
    if (/\$\{(?!env\.)/.test(said)) throw new Unsayable(directive, "a variable is no root");
    return { ...state, root: said };
  });
};

const ALL: Matcher = { isAlways: true, matches: () => [{}] };

const FRAMING = /^(?:connection|content-length|keep-alive|transfer-encoding|trailer|upgrade|te)$/i;

interface HeaderRules {
  readonly set: Record<string, string>;
  readonly add: Record<string, string>;
  readonly remove: string[];
}

export const header: DirectiveReader = (directive, context) => {
  const { matcher, args } = matcherOf(directive, context);
  const { notes } = context;
  notes.take(directive);
  if (matcher.address !== undefined) {
    notes.add("lost", directive, "no header depends on a client's address");
    return [];
  }
  const rules: HeaderRules = { set: {}, add: {}, remove: [] };
  for (const line of fieldLines(directive, args)) readField(line, rules, context);
  return setting(matcher, directive, (state) => withHeaders(state, rules));
};

/** Each field with its value, as directives. */
function fieldLines(directive: Directive, args: readonly string[]): readonly Directive[] {
  const { file, line } = directive;
  const [name] = args;
  const own = name === undefined
    ? []
    : [{ name, args: args.slice(1), block: undefined, file, line }];
  return [...own, ...directive.block ?? []].filter(({ name }) => name !== "defer");
}

export function readField(line: Directive, rules: HeaderRules, context: SiteContext): void {
  const { notes } = context;
  const [sign = ""] = /^[+\-?>]/.exec(line.name) ?? [];
  const name = line.name.slice(sign.length).replace(/:$/, "");
  const [value = "", replacement] = line.args;
  if (FRAMING.test(name) || replacement !== undefined || name.includes("*")) {
    notes.add("lost", line, "it has no counterpart");
    return;
  }
  if (sign === "-") {
    rules.remove.push(name);
    return;
  }
  let text;
  try {
    text = toTemplate(value, line, context);
  } catch (error) {
    if (!(error instanceof Unsayable)) throw error;
    notes.add("lost", line, error.message);
    return;
  }
  if (!/^[\x20-\x7e]*$/.test(text)) {
    notes.add("lost", line, "a value has ASCII characters alone");
    return;
  }
  if (sign === "?") notes.add("differs", line, "it replaces the application's own");
  if (sign === "+") rules.add[name] = text;
  else rules.set[name] = text;
}

export function withHeaders(state: SiteState, rules: HeaderRules): SiteState {
  const said = (state.keys["headers"] ?? {}) as Partial<HeaderRules>;
  const headers = {
    ...joined("set", { ...said.set, ...rules.set }),
    ...joined("add", { ...said.add, ...rules.add }),
    ...(said.remove || rules.remove.length > 0
      ? { remove: [...new Set([...said.remove ?? [], ...rules.remove])] }
      : {}),
  };
  return { ...state, keys: { ...state.keys, headers } };
}

function joined(key: string, values: Record<string, string>): Record<string, unknown> {
  return Object.keys(values).length > 0 ? { [key]: values } : {};
}

export const requestHeader: DirectiveReader = (directive, context) => {
  const { matcher, args } = matcherOf(directive, context);
  const fields: Record<string, string | null> = {};
  for (const line of fieldLines(directive, args)) {
    const name = line.name.replace(/^[+\-?>]/, "");
    if (line.name.startsWith("-")) fields[name] = null;
    else fields[name] = toTemplate(line.args[0] ?? "", line, context);
    context.notes.take(line);
  }
  return setting(matcher, directive, (state) => {
    return { ...state, fields: { ...state.fields, ...fields } };
  });
};

export const encode: DirectiveReader = (directive, context) => {
  const { matcher, args } = matcherOf(directive, context);
  const lines = directive.block ?? [];
  const named = [...args, ...lines.map(({ name }) => name)];
  const encodings = named.filter((name) => ["gzip", "zstd", "br"].includes(name));
  const length = lines.find(({ name }) => name === "minimum_length")?.args[0];
  for (const line of lines) {
    if (["minimum_length", "gzip", "zstd", "br"].includes(line.name)) context.notes.take(line);
    else context.notes.add("unneeded", line, "afcgi has its own list of what it compresses");
  }
  context.notes.take(directive);
  const compression = {
    encodings: encodings.length > 0 ? encodings : ["zstd", "gzip"],
    min_size: sizeText(caddySize(length ?? "512") ?? 512),
  };
  return setting(matcher, directive, (state) => {
    return { ...state, keys: { ...state.keys, compression } };
  });
};

export const requestBody: DirectiveReader = (directive, context) => {
  const { matcher } = matcherOf(directive, context);
  const line = directive.block?.find(({ name }) => name === "max_size");
  const bytes = caddySize(line?.args[0] ?? "");
  context.notes.take(directive, line);
  if (bytes === undefined) return [];
  const limits = { request_body: sizeText(bytes) };
  return setting(matcher, directive, (state) => ({ ...state, keys: { ...state.keys, limits } }));
};

export const basicAuth: DirectiveReader = (directive, context) => {
  const { matcher, args } = matcherOf(directive, context);
  const { notes } = context;
  const [algorithm = "bcrypt", realm = "restricted"] = args;
  const users: Record<string, unknown> = {};
  for (const line of directive.block ?? []) {
    notes.take(line);
    const [hash = ""] = line.args;
    users[line.name] = { hash: hash.startsWith("$") ? hash : fromBase64(hash) };
  }
  notes.take(directive);
  if (matcher.address !== undefined) {
    notes.add("differs", directive, "every client is asked for a password, wherever it comes from");
  }
  return setting(matcher, directive, (state) => {
    if (algorithm !== "bcrypt") {
      throw new Unsayable(directive, `hashes of ${algorithm} are not read`);
    }
    if (Object.keys(users).length === 0) throw new Unsayable(directive, "it has no users");
    if (state.keys["basic_auth"] !== undefined) {
      throw new Unsayable(directive, "a password is asked for already");
    }
    return { ...state, keys: { ...state.keys, basic_auth: { realm, users } } };
  });
};

/** Older files have hashes so. */
function fromBase64(text: string): string {
  try {
    return atob(text);
  } catch {
    return text;
  }
}

export const forwardAuth: DirectiveReader = (directive, context) => {
  const { matcher, args } = matcherOf(directive, context);
  const { notes } = context;
  const lines = directive.block ?? [];
  const uri = lines.find(({ name }) => name === "uri");
  const copied = lines.filter(({ name }) => name === "copy_headers");
  const names = copied.flatMap((it) => [...it.args, ...(it.block ?? []).map(({ name }) => name)]);
  const renamed = copied.find((it) =>
    it.args.some((name) => name.includes(">")) ||
    it.block?.some(({ name, args }) => name.includes(">") || args.length > 0)
  );
  const rest = lines.filter((line) => line !== uri && !copied.includes(line));
  notes.take(directive, uri, ...copied);
  if (matcher.address !== undefined) {
    notes.add("differs", directive, "every client is asked about, wherever it comes from");
  }
  return setting(matcher, directive, (state) => {
    if (renamed !== undefined) {
      throw new Unsayable(renamed, "a header is copied under its own name");
    }
    const path = uri?.args[0] ?? "";
    if (/[{]/.test(path) || path === "") {
      throw new Unsayable(uri ?? directive, "it asks for a path that is the same for all");
    }
    if (state.keys["forward_auth"] !== undefined) {
      throw new Unsayable(directive, "only one server is asked");
    }
    const upstream = httpUpstream({ ...directive, block: rest }, args, context).name;
    const forward_auth = {
      upstream,
      uri: path,
      ...(names.length > 0 && { copy_headers: names }),
    };
    return { ...state, keys: { ...state.keys, forward_auth } };
  });
};
