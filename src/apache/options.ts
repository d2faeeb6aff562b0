/** What a section says of responses: `Header`, `Options`, `DirectoryIndex`, `Expires…`, `SetEnv` … */
import type { ApacheDirective } from "./parser.ts";
import type { ApacheState, VhostContext } from "./state.ts";
import { sizeText } from "../import/units.ts";

type Change = (state: ApacheState) => ApacheState;

/** What the directives of a section change, one after the other. */
export function optionChanges(
  directives: readonly ApacheDirective[],
  context: VhostContext,
): readonly Change[] {
  const changes: Change[] = [];
  for (const directive of directives) {
    const read = READERS[directive.key];
    if (read === undefined) continue;
    context.notes.take(directive);
    const change = read(directive, context);
    if (change !== undefined) changes.push(change);
  }
  const expires = expiresOf(directives, context);
  return expires === undefined ? changes : [...changes, expires];
}

type Reader = (directive: ApacheDirective, context: VhostContext) => Change | undefined;

const READERS: Readonly<Record<string, Reader>> = {
  header: headerChange,
  requestheader: requestHeaderChange,
  options: optionsChange,
  directoryindex: ({ args }) => {
    const names = args.filter((name) => name !== "disabled").map((name) =>
      name.replace(/^\.\//, "")
    );
    return (state) => ({ ...state, index: names });
  },
  fallbackresource: ({ args: [path = ""] }) => (state) => ({
    ...state,
    fallback: path === "disabled" ? undefined : path,
  }),
  setenv: (directive, context) => paramChange(directive, directive.args[1] ?? "", context),
  passenv: ({ args }, { readVariable }) => (state) => ({
    ...state,
    params: {
      ...state.params,
      ...Object.fromEntries(
        args.filter((name) => readVariable(name) !== undefined).map((
          name,
        ) => [name, `\${env.${name}}`]),
      ),
    },
  }),
  limitrequestbody: ({ args: [bytes = "0"] }) => (state) => ({
    ...state,
    keys: {
      ...state.keys,
      limits: { request_body: Number(bytes) === 0 ? 0 : sizeText(Number(bytes)) },
    },
  }),
  setoutputfilter: compressionChange,
  addoutputfilterbytype: compressionChange,
};

function paramChange(
  { args: [name = ""] }: ApacheDirective,
  value: string,
  _context: VhostContext,
): Change | undefined {
  if (
    !/^[A-Za-z_]\w*$/.test(name) ||
    /^(?:no-gzip|nokeepalive|proxy-|force-|downgrade-|dont-vary|gzip-only)/.test(name)
  ) {
    return undefined;
  }
  const text = value.replaceAll("${", "$${");
  return (state) => ({ ...state, params: { ...state.params, [name]: text } });
}

const FRAMING = /^(?:connection|content-length|keep-alive|transfer-encoding|trailer|upgrade|te)$/i;

function headerChange(directive: ApacheDirective, { notes }: VhostContext): Change | undefined {
  const args = directive.args.filter((arg, index) =>
    !(index === 0 && /^(?:always|onsuccess)$/i.test(arg))
  );
  const isAlways = directive.args[0]?.toLowerCase() === "always";
  const [action = "", name = "", value = "", ...conditions] = args;
  const field = name.replace(/:$/, "");
  const text = headerText(value);
  const way = action.toLowerCase();
  const isPlain = !FRAMING.test(field) && /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(field) &&
    conditions.filter((it) => it !== "early").length === 0;
  if (way === "unset" && isPlain && value === "") {
    return changedHeaders((headers) => ({
      ...headers,
      remove: [...new Set([...headers.remove ?? [], field])],
    }));
  }
  if (
    !["set", "setifempty", "append", "merge", "add"].includes(way) || !isPlain || text === undefined
  ) {
    notes.add("lost", directive, "it has no counterpart");
    return undefined;
  }
  if (!isAlways && way === "set") notes.add("differs", directive, "errors have it, too");
  const key = way === "set" || way === "setifempty" ? "set" : "add";
  if (way === "setifempty") notes.add("differs", directive, "it replaces the application's own");
  return changedHeaders((headers) => ({ ...headers, [key]: { ...headers[key], [field]: text } }));
}

interface Headers {
  readonly set?: Readonly<Record<string, string>>;
  readonly add?: Readonly<Record<string, string>>;
  readonly remove?: readonly string[];
}

function changedHeaders(change: (headers: Headers) => Headers): Change {
  return (state) => ({
    ...state,
    keys: { ...state.keys, headers: change((state.keys["headers"] ?? {}) as Headers) },
  });
}

/** Undefined for a value that is worked out for each request in a way of Apache's. */
function headerText(value: string): string | undefined {
  if (/^expr=/.test(value) || !/^[\x20-\x7e]*$/.test(value)) return undefined;
  const VARIABLES: Readonly<Record<string, string>> = {
    REQUEST_SCHEME: "${request.scheme}",
    HTTP_HOST: "${request.host}",
    REQUEST_URI: "${request.path}",
    UNIQUE_ID: "${request.id}",
  };
  let isKnown = true;
  const text = value.replaceAll("${", "$${").replace(
    /%(%|\{(\w+)\}[es]|\w|\{)/g,
    (_all, what, name) => {
      if (what === "%") return "%";
      const said = name === undefined ? undefined : VARIABLES[name];
      isKnown &&= said !== undefined;
      return said ?? "";
    },
  );
  return isKnown ? text : undefined;
}

function requestHeaderChange(
  directive: ApacheDirective,
  { notes }: VhostContext,
): Change | undefined {
  const [action = "", field = "", value = ""] = directive.args.filter((arg) => arg !== "early");
  const way = action.toLowerCase();
  const text = headerText(value);
  if (way === "unset") return (state) => ({ ...state, ...withField(state, field, null) });
  if (way !== "set" || text === undefined || !/^[A-Za-z0-9-]+$/.test(field)) {
    notes.add("lost", directive, "it has no counterpart");
    return undefined;
  }
  return (state) => ({ ...state, ...withField(state, field, text) });
}

function withField(
  { fields, params }: ApacheState,
  field: string,
  value: string | null,
): Pick<ApacheState, "fields" | "params"> {
  return {
    fields: { ...fields, [field]: value },
    params: { ...params, [`HTTP_${field.toUpperCase().replaceAll("-", "_")}`]: value },
  };
}

function optionsChange(directive: ApacheDirective, { notes }: VhostContext): Change | undefined {
  const names = directive.args.map((arg) => arg.toLowerCase());
  if (names.some((name) => /^\+?symlinksifownermatch$|^-followsymlinks$/.test(name))) {
    notes.add(
      "differs",
      directive,
      "symlinks below the root are followed, others as follow_symlinks_to says",
    );
  }
  const lost = names.filter((name) => /^\+?(?:includes\w*|execcgi|multiviews)$/.test(name));
  if (lost.length > 0) notes.add("lost", directive, `"${lost.join(" ")}" has no counterpart`);
  const isRelative = names.every((name) => /^[+-]/.test(name));
  const listing = names.includes("+indexes") || names.includes("indexes") || names.includes("all");
  if (isRelative && !names.includes("+indexes") && !names.includes("-indexes")) return undefined;
  return (state) => ({ ...state, listing });
}

function compressionChange(directive: ApacheDirective): Change | undefined {
  const filters = directive.args.filter((arg) => /deflate|brotli/i.test(arg)).join(";");
  if (filters === "") return undefined;
  const types = directive.key === "addoutputfilterbytype"
    ? directive.args.filter((arg) => arg.includes("/")).map((arg) => arg.toLowerCase())
    : [];
  const found = [/brotli/i.test(filters) && "br", /deflate/i.test(filters) && "gzip"];
  return (state) => {
    const before = (state.keys["compression"] ?? {}) as { encodings?: string[]; types?: string[] };
    const encodings = new Set([...before.encodings ?? [], ...found.filter((it) => it !== false)]);
    const all = [...new Set([...before.types ?? [], ...types])];
    const compression = { encodings: [...encodings], ...(all.length > 0 && { types: all }) };
    return { ...state, keys: { ...state.keys, compression } };
  };
}

const EXTENSIONS: Readonly<Record<string, readonly string[]>> = {
  "text/html": ["html", "htm"],
  "text/css": ["css"],
  "text/javascript": ["js", "mjs"],
  "application/javascript": ["js", "mjs"],
  "application/x-javascript": ["js"],
  "application/json": ["json"],
  "application/xml": ["xml"],
  "text/xml": ["xml"],
  "text/plain": ["txt"],
  "image/jpeg": ["jpg", "jpeg"],
  "image/jpg": ["jpg", "jpeg"],
  "image/png": ["png"],
  "image/gif": ["gif"],
  "image/webp": ["webp"],
  "image/avif": ["avif"],
  "image/svg+xml": ["svg"],
  "image/x-icon": ["ico"],
  "image/vnd.microsoft.icon": ["ico"],
  "font/woff": ["woff"],
  "font/woff2": ["woff2"],
  "application/font-woff": ["woff"],
  "application/font-woff2": ["woff2"],
  "font/ttf": ["ttf"],
  "font/otf": ["otf"],
  "application/vnd.ms-fontobject": ["eot"],
  "application/pdf": ["pdf"],
  "video/mp4": ["mp4"],
  "video/webm": ["webm"],
  "audio/mpeg": ["mp3"],
  "application/wasm": ["wasm"],
  "application/manifest+json": ["webmanifest"],
};

const SECONDS: Readonly<Record<string, number>> = {
  second: 1,
  minute: 60,
  hour: 3600,
  day: 86_400,
  week: 604_800,
  month: 2_592_000,
  year: 31_536_000,
};

/** Seconds of `access plus 1 month` or `A2592000`; undefined for what goes by a file's time. */
function expirySeconds(text: string): number | undefined {
  const plain = /^A(\d+)$/.exec(text)?.[1];
  if (plain !== undefined) return Number(plain);
  if (!/^(?:access|now)\b/i.test(text)) return undefined;
  let seconds = 0;
  for (
    const [, count, unit] of text.matchAll(/(\d+)\s+(second|minute|hour|day|week|month|year)s?/gi)
  ) {
    seconds += Number(count) * SECONDS[unit!.toLowerCase()]!;
  }
  return seconds;
}

function expiresOf(
  directives: readonly ApacheDirective[],
  { notes }: VhostContext,
): Change | undefined {
  const said = directives.filter(({ key }) => key.startsWith("expires"));
  if (said.length === 0) return undefined;
  const isOff = said.some(({ key, args }) =>
    key === "expiresactive" && args[0]?.toLowerCase() === "off"
  );
  notes.take(...said);
  if (isOff) return (state) => ({ ...state, cacheControl: {} });
  const values: Record<string, string> = {};
  for (const directive of said) {
    const isDefault = directive.key === "expiresdefault";
    if (!isDefault && directive.key !== "expiresbytype") continue;
    const [first = ""] = directive.args;
    const text = directive.args.slice(isDefault ? 0 : 1).join(" ");
    const seconds = expirySeconds(text);
    const endings = isDefault ? [] : EXTENSIONS[first.toLowerCase()];
    if (seconds === undefined || endings === undefined) {
      notes.add("lost", directive, "it has no counterpart");
      continue;
    }
    notes.add("differs", directive, "files alone have it, as Cache-Control");
    if (isDefault) values["/*"] = `max-age=${seconds}`;
    else for (const ending of endings) values[`*.${ending}`] = `max-age=${seconds}`;
  }
  return (state) => {
    const { "/*": before, ...others } = state.cacheControl;
    const { "/*": now, ...own } = values;
    const last = now ?? before;
    return {
      ...state,
      cacheControl: { ...others, ...own, ...(last !== undefined && { "/*": last }) },
    };
  };
}
