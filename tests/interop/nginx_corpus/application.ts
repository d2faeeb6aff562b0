/**
 * One application of the corpus in `tests/nginx/corpus/`: `NAME.conf` is its configuration for nginx,
 * `NAME.yaml` has its files and what is asked. `README.md` there says how to add one.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

export const CORPUS = fileURLToPath(new URL("../../nginx/corpus", import.meta.url));

export interface CorpusRequest {
  readonly target: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** 80 or 443 as the configuration has it. */
  readonly port: number;
  readonly kind: "request" | "closed" | "hostile" | "made";
}

/** A difference from nginx that is meant, with its reason. */
export interface Difference {
  readonly targets: RegExp;
  /** What was said of it, as `200 /index.php, here 404`. */
  readonly is: RegExp;
  readonly why: string;
}

export interface Application {
  readonly name: string;
  readonly title: string;
  readonly config: string;
  /** Places of files, with `/srv` as their top. */
  readonly files: readonly string[];
  readonly requests: readonly CorpusRequest[];
  readonly websockets: readonly string[];
  readonly differences: readonly Difference[];
  /** Of files that no client gets: they are outside of what the server has as its root. */
  readonly outside: ReadonlySet<string>;
  readonly usesTls: boolean;
}

interface Written {
  readonly application: string;
  readonly documentation: string;
  readonly root: string;
  readonly host?: string;
  readonly files: string;
  readonly trees?: readonly {
    readonly at: string;
    readonly root: string;
    readonly files: string;
  }[];
  readonly requests: string;
  readonly special?: readonly {
    readonly target: string;
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    /** A body of so many bytes. */
    readonly body?: number;
    readonly port?: number;
  }[];
  readonly websockets?: string;
  readonly closed: string;
  readonly hostile?: string;
  readonly differences?: readonly {
    readonly targets: string;
    readonly is: string;
    readonly why: string;
  }[];
}

const KEYS: readonly (keyof Written)[] = [
  "application",
  "documentation",
  "root",
  "host",
  "files",
  "trees",
  "requests",
  "special",
  "websockets",
  "closed",
  "hostile",
  "differences",
];

export function corpusNames(): string[] {
  return readdirSync(CORPUS).filter((name) => name.endsWith(".conf"))
    .map((name) => name.slice(0, -".conf".length)).sort();
}

export function readApplication(name: string): Application {
  const config = readFileSync(join(CORPUS, `${name}.conf`), "utf8");
  const written: Written = parse(readFileSync(join(CORPUS, `${name}.yaml`), "utf8"));
  for (const key of Object.keys(written)) {
    if (!KEYS.includes(key as keyof Written)) throw new Error(`${name}.yaml has a key "${key}"`);
  }
  const trees = [{ at: "", root: written.root, files: written.files }, ...written.trees ?? []];
  const placed = trees.flatMap(({ root, files }) =>
    words(files).map((file) => ({ path: normalize(join(root, file)), file }))
  );
  const usesTls = /^\s*listen .*\bssl\b/m.test(config);
  const host = written.host ?? /server_name ([^\s;]+)/.exec(config)?.[1] ?? "localhost";
  const made = (target: string, kind: CorpusRequest["kind"], method = "GET"): CorpusRequest => ({
    target,
    method,
    kind,
    headers: { Host: host },
    body: ["POST", "PUT", "PATCH"].includes(method) ? "a=1&b=2" : undefined,
    port: usesTls ? 443 : 80,
  });
  const requests = [
    ...words(written.requests).map((word) => {
      const [, method, target = word] = /^([A-Z]+):(\/.*)$/.exec(word) ?? [];
      return made(target, "request", method);
    }),
    ...(written.special ?? []).map(({ target, method, headers, body, port }) => ({
      ...made(target, "request", method),
      headers: { Host: host, ...headers },
      ...(body !== undefined && { body: "x".repeat(body) }),
      ...(port !== undefined && { port }),
    })),
    ...words(written.closed).map((target) => made(target, "closed")),
    ...words(written.hostile ?? "").map((target) => made(target, "hostile")),
    ...trees.flatMap(({ at, files }) =>
      targetsOf(at, words(files)).map((target) => made(target, "made"))
    ),
  ];
  const seen = new Set<string>();
  return {
    name,
    title: written.application,
    config,
    files: placed.map(({ path }) => path),
    requests: requests.filter((request) => {
      const key = JSON.stringify({ ...request, kind: "" });
      return !seen.has(key) && seen.add(key);
    }),
    websockets: words(written.websockets ?? ""),
    differences: (written.differences ?? []).map(({ targets, is, why }) => ({
      targets: new RegExp(targets),
      is: new RegExp(is),
      why,
    })),
    outside: new Set(placed.filter(({ file }) => file.startsWith("../")).map(({ path }) => path)),
    usesTls,
  };
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

/** Every file and directory of a tree, what is behind scripts, and how files are asked for by foes. */
function targetsOf(at: string, files: readonly string[]): string[] {
  const targets = new Set<string>(
    ["/?a=1&b=%20", "/missing", "/missing/", "/missing.php", "/missing.php/x", "/missing.css", "/."]
      .map((target) => at + target),
  );
  for (
    const target of ["/.env", "/.git/config", "/%00", "/%2e%2e/%2e%2e/etc/passwd", "/..%5c.env"]
  ) {
    targets.add(at + target);
  }
  const inside = files.filter((file) => !file.startsWith("../"));
  for (const [index, file] of inside.entries()) {
    const path = `${at}/${file}`;
    targets.add(path);
    for (let directory = dirname(file); directory !== "."; directory = dirname(directory)) {
      targets.add(`${at}/${directory}/`).add(`${at}/${directory}`);
      targets.add(`${at}/${directory}/missing`);
    }
    const isScript = file.endsWith(".php");
    if (isScript) {
      for (const behind of ["?q=1", "/info", "/info.php", "/info/more?q=1", "/", "x"]) {
        targets.add(path + behind);
      }
    }
    // What reaches around rules for paths: each trial for a few files is enough.
    if (index % 3 === 0) targets.add(`${at}//${file}`).add(`${at}/./x/../${file}`);
    if (index % 3 === 1) targets.add(`${at}/${escapedFirst(file)}`).add(`${path}%00`);
    if (index % 3 === 2) targets.add(`${path}/x.php`).add(`${path}%20`).add(`${path}%0a`);
    if (index % 4 === 0) targets.add(`${at}/${file.replaceAll("/", "%2f")}`).add(`${path}.`);
    if (isScript && index % 2 === 0) targets.add(`${at}/${file.replace(".php", ".PHP")}`);
    if (!isScript && index % 4 === 1) targets.add(`${at}/${file.toUpperCase()}`);
  }
  return [...targets];
}

function escapedFirst(file: string): string {
  return `%${file.charCodeAt(0).toString(16)}${file.slice(1)}`;
}

/** Whether a file is a program. */
export function isScript(file: string): boolean {
  return /\.(?:php|phtml|cgi|PHP)$/.test(file);
}

/** Makes the files below a directory; a script's text is given. */
export function makeFiles(directory: string, { files }: Application, script: string): void {
  for (const file of files) {
    const path = join(directory, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, isScript(file) ? script : `content of ${file}\n`);
  }
}
