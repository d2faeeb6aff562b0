/**
 * Holds the rules that docs/architecture.md draws: which directory of src/ may import which, no
 * cycle of files, `protocol/` pure, runtimes named in `runtime/` alone, no file over 400 lines. The
 * checker takes a tree of sources as a map, so the tests below also show it trees that break each
 * rule. It reads the text of the files with a small scanner of its own: comments, strings and
 * regular expressions are no code. It does not know types.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** Sources by their path below src/, with `/` between the parts. */
type Tree = Record<string, string>;

const ENTRY = "main.ts";
/** What threads run. */
const ENTRIES = [ENTRY, "thread.ts"];
const LINES_MAX = 400;

/** What each directory may import beside itself. */
const LAYERS: Record<string, readonly string[]> = {
  protocol: [],
  routing: [],
  runtime: [],
  import: [],
  caddy: ["import"],
  apache: ["import"],
  nginx: ["import", "routing"],
  pages: [],
  observe: ["runtime"],
  shared: [],
  certificates: ["routing", "observe", "runtime"],
  acme: ["certificates", "observe", "runtime"],
  cgi: ["protocol", "runtime"],
  http1: ["protocol", "runtime"],
  http2: ["http1", "protocol", "runtime"],
  http_client: ["http1", "protocol"],
  compression: ["runtime"],
  static: ["compression", "pages", "runtime"],
  upstream: ["shared", "http_client", "protocol", "runtime", "observe"],
  passwords: ["runtime"],
  php: ["upstream", "runtime"],
  spawn: ["upstream", "runtime"],
  http: [
    "certificates",
    "passwords",
    "static",
    "routing",
    "compression",
    "cgi",
    "php",
    "pages",
    "upstream",
    "protocol",
    "runtime",
    "observe",
  ],
  gemini: [
    "certificates",
    "static",
    "routing",
    "cgi",
    "upstream",
    "protocol",
    "runtime",
    "observe",
  ],
  responder: ["pages", "protocol", "runtime", "observe"],
  serve: ["http1", "http2", "protocol", "runtime"],
  app: [
    "acme",
    "shared",
    "certificates",
    "passwords",
    "php",
    "spawn",
    "http",
    "http1",
    "http2",
    "gemini",
    "routing",
    "cgi",
    "upstream",
    "static",
    "observe",
    "runtime",
    "protocol",
  ],
  threads: ["app", "upstream", "shared", "observe", "protocol", "runtime"],
  config: [
    "passwords",
    "routing",
    "acme",
    "app",
    "certificates",
    "http",
    "http1",
    "http2",
    "gemini",
    "compression",
    "spawn",
    "upstream",
    "observe",
    "runtime",
  ],
  cli: [
    "config",
    "threads",
    "passwords",
    "certificates",
    "import",
    "nginx",
    "caddy",
    "apache",
    "app",
    "http",
    "gemini",
    "responder",
    "php",
    "upstream",
    "static",
    "cgi",
    "observe",
    "runtime",
    "protocol",
  ],
};

/** Files outside src/ that these may import: the version stands in package.json alone. */
const OUTSIDE: Record<string, readonly string[]> = {
  "../package.json": ["cli", ENTRY],
};

/** Every breach of a rule, as a line that names file and rule. */
function errorsOf(tree: Tree): string[] {
  const errors: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [path, source] of Object.entries(tree)) {
    const { code, strings } = scan(source);
    const specifiers = importsOf(source, code);
    const targets = specifiers.filter((it) => it.startsWith(".")).map((it) => resolve(path, it));
    graph.set(path, targets);
    errors.push(
      ...importErrors(path, specifiers, targets),
      ...runtimeErrors(path, code, [...strings, ...specifiers]),
      ...lengthErrors(path, source),
    );
    if (layerOf(path) === "protocol") errors.push(...asyncErrors(path, code));
  }
  return [...errors, ...cycleErrors(graph)];
}

/** The directory of src/ that a path lies in, or the file itself where it lies in none. */
function layerOf(path: string): string {
  return path.split("/")[0]!;
}

function importErrors(path: string, specifiers: string[], targets: string[]): string[] {
  const layer = layerOf(path);
  const allowed = ENTRIES.includes(path) ? Object.keys(LAYERS) : LAYERS[layer];
  if (allowed === undefined) return [`${path}: "${layer}" is not one of the layers`];
  const errors: string[] = [];
  for (const target of targets) {
    const to = layerOf(target);
    if (to === layer || allowed.includes(to) || OUTSIDE[target]?.includes(layer)) continue;
    errors.push(`${path}: imports ${target}, which ${layer} may not`);
  }
  for (const specifier of specifiers) {
    if (layer === "protocol" && !specifier.startsWith(".")) {
      errors.push(`${path}: imports "${specifier}", and protocol may import nothing`);
    }
  }
  return errors;
}

function runtimeErrors(path: string, code: string, strings: string[]): string[] {
  if (layerOf(path) === "runtime" || ENTRIES.includes(path)) return [];
  const names = [...code.matchAll(/(?<![\w$])(?:Bun|Deno)(?![\w$])/g)].map((match) => match[0]);
  const modules = strings.filter((text) => /^(?:node:\w|bun$|bun:)/.test(text));
  return [...new Set([...names, ...modules])].map((name) => {
    return `${path}: names ${name}, which only runtime may`;
  });
}

function asyncErrors(path: string, code: string): string[] {
  const words = new Set(code.match(/(?<![\w$])(?:async|await|Promise)(?![\w$])/g));
  return [...words].map((word) => `${path}: uses ${word}, and protocol does not wait`);
}

function lengthErrors(path: string, source: string): string[] {
  const count = source.replace(/\n$/, "").split("\n").length;
  return count > LINES_MAX ? [`${path}: has ${count} lines, over ${LINES_MAX}`] : [];
}

/** One error for each import that closes a cycle. Type-only imports count. */
function cycleErrors(graph: Map<string, string[]>): string[] {
  const errors: string[] = [];
  const done = new Set<string>();
  const way: string[] = [];
  function visit(path: string): void {
    const start = way.indexOf(path);
    if (start >= 0) {
      errors.push(`${path}: imports itself: ${[...way.slice(start), path].join(" → ")}`);
      return;
    }
    if (done.has(path)) return;
    way.push(path);
    for (const target of graph.get(path) ?? []) visit(target);
    way.pop();
    done.add(path);
  }
  for (const path of graph.keys()) visit(path);
  return errors;
}

/** A relative specifier as a path below src/; what lies outside begins with "../". */
function resolve(from: string, specifier: string): string {
  const parts = from.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") {
      if (parts.length === 0 || parts.at(-1) === "..") parts.push("..");
      else parts.pop();
    } else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

const IMPORT_FORMS = [
  // import ... from "x" and export ... from "x", over several lines too
  /(?<![\w$.])(?:import|export)\s[^"'`;=()]*?(?<![\w$])from\s*["']/g,
  // import "x", import("x"), require("x")
  /(?<![\w$.])import\s*["']/g,
  /(?<![\w$.])(?:import|require)\s*\(\s*["'`]/g,
];

/** Every specifier that a source imports from; `code` tells where code is. */
function importsOf(source: string, code: string): string[] {
  const specifiers: string[] = [];
  for (const form of IMPORT_FORMS) {
    for (const match of code.matchAll(form)) {
      const start = match.index + match[0].length;
      specifiers.push(source.slice(start, code.indexOf(code[start - 1]!, start)));
    }
  }
  return specifiers;
}

const REGEX_MAY_FOLLOW = /(?:^|[=(,:;!&|?{}[+*%~^<>-]|(?<![\w$.])(?:return|typeof|case|in|of))$/;

/**
 * The source with the same length, in which comments are blanks and what stands within strings,
 * templates and regular expressions is `_`; and the contents of the strings.
 */
function scan(source: string): { code: string; strings: string[] } {
  let code = "";
  const strings: string[] = [];
  /** For each template literal around this place, how many braces are open in its `${`. */
  const templates: number[] = [];
  let index = 0;

  function blank(end: number, filler: string): void {
    code += source.slice(index, end).replace(/[^\n]/g, filler);
    index = end;
  }
  function keep(count: number): void {
    code += source.slice(index, index + count);
    index += count;
  }
  /** Offset of the first of `ends` from here that no backslash precedes; else the end. */
  function endOf(ends: RegExp): number {
    ends.lastIndex = index;
    return ends.exec(source)?.index ?? source.length;
  }
  function text(quote: RegExp): void {
    const end = endOf(quote);
    strings.push(source.slice(index, end));
    blank(end, "_");
  }
  /** From within a template's text to behind its end, or behind the next `${`. */
  function templateText(): void {
    text(/(?<=(?<!\\)(?:\\\\)*)(?:`|\$\{)/g);
    if (source.startsWith("${", index)) {
      templates.push(0);
      keep(2);
    } else keep(1);
  }

  while (index < source.length) {
    const char = source[index]!;
    if (source.startsWith("//", index)) blank(endOf(/\n|$/g), " ");
    else if (source.startsWith("/*", index)) blank(endOf(/(?<=\*\/)/g), " ");
    else if (char === '"' || char === "'") {
      keep(1);
      text(char === '"' ? /(?<=(?<!\\)(?:\\\\)*)"/g : /(?<=(?<!\\)(?:\\\\)*)'/g);
      keep(1);
    } else if (char === "`") {
      keep(1);
      templateText();
    } else if (char === "/" && REGEX_MAY_FOLLOW.test(code.trimEnd().slice(-12))) {
      keep(1);
      const body = /(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])*/y;
      body.lastIndex = index;
      blank(index + (body.exec(source)?.[0].length ?? 0), "_");
      keep(1);
    } else if (char === "}" && templates.at(-1) === 0) {
      templates.pop();
      keep(1);
      templateText();
    } else {
      if (templates.length > 0 && char === "{") templates[templates.length - 1]!++;
      if (templates.length > 0 && char === "}") templates[templates.length - 1]!--;
      keep(1);
    }
  }
  return { code, strings };
}

function readTree(): Tree {
  const root = fileURLToPath(new URL("../src/", import.meta.url));
  const tree: Tree = {};
  for (const path of readdirSync(root, { recursive: true, encoding: "utf8" }).sort()) {
    if (path.endsWith(".ts")) {
      tree[path.replaceAll("\\", "/")] = readFileSync(root + path, "utf8");
    }
  }
  return tree;
}

test("src/ keeps to its layers", () => {
  const tree = readTree();
  assert.ok("protocol/header.ts" in tree && "runtime/runtime.ts" in tree);
  assert.deepEqual(errorsOf(tree), []);
});

test("The layers of the checker are those that docs/architecture.md names", () => {
  const page = readFileSync(new URL("../docs/architecture.md", import.meta.url), "utf8");
  const named = [...page.matchAll(/^\| `src\/(\w+)\/`/gm)].map((match) => match[1]!);
  assert.deepEqual(named.sort(), Object.keys(LAYERS).sort());
});

test("The layers themselves have no cycle: whoever may be imported may not import back", () => {
  assert.deepEqual(cycleErrors(new Map(Object.entries(LAYERS).map(([k, v]) => [k, [...v]]))), []);
});

test("The checker passes a tree that keeps every rule", () => {
  assert.deepEqual(
    errorsOf({
      "main.ts": 'import { serve } from "./cli/serve.ts";\nserve(Deno.args, process.argv);\n',
      "cli/serve.ts": 'import "../config/load.ts";\nimport pkg from "../../package.json";\n',
      "config/load.ts": 'import { parse } from "yaml";\nexport * from "../app/options.ts";\n',
      "app/options.ts": 'import type { Options } from "../http/options.ts";\n',
      "http/options.ts": 'const lazy = () => import("../upstream/pool.ts");\n',
      "upstream/pool.ts": 'import {\n  A,\n  B,\n} from "../protocol/header.ts";\n',
      "protocol/header.ts": 'import { C } from "./constants.ts";\n',
      "protocol/constants.ts": "export const C = 1;\n".repeat(LINES_MAX),
      "runtime/bun.ts": 'import net from "node:net";\nBun.serve({});\n',
    }),
    [],
  );
});

test("The checker reports every form of import that runs backwards", () => {
  const forms = [
    'import { a } from "../http/gateway.ts";',
    'import type { A } from "../http/gateway.ts";',
    'import a, { type A } from "../http/gateway.ts";',
    "import {\n  a,\n  type A,\n} from '../http/gateway.ts';",
    'import "../http/gateway.ts";',
    'import * as a from "../http/gateway.ts";',
    'export * from "../http/gateway.ts";',
    'export { a } from "../http/gateway.ts";',
    'const a = await import("../http/gateway.ts");',
    'type A = import("../http/gateway.ts").A;',
    'const text = `${(await import("../http/gateway.ts")).a}`;',
    'const regex = /["\'`]/; import "../http/gateway.ts"; const other = /["\'`]/;',
  ];
  for (const form of forms) {
    assert.deepEqual(
      errorsOf({ "upstream/pool.ts": `// A comment's quote\n${form}\n` }),
      ["upstream/pool.ts: imports http/gateway.ts, which upstream may not"],
      form,
    );
  }
});

test("The checker reports an import of the entry, of a new directory, and from outside src/", () => {
  assert.deepEqual(
    errorsOf({
      "cli/serve.ts": 'import "../main.ts";\nimport "../../tests/support/x.ts";\n',
      "http/gateway.ts": 'import pkg from "../../package.json";\n',
      "util/text.ts": "",
    }),
    [
      "cli/serve.ts: imports main.ts, which cli may not",
      "cli/serve.ts: imports ../tests/support/x.ts, which cli may not",
      "http/gateway.ts: imports ../package.json, which http may not",
      'util/text.ts: "util" is not one of the layers',
    ],
  );
});

test("The checker reports whatever protocol imports or waits for", () => {
  assert.deepEqual(
    errorsOf({
      "protocol/a.ts": 'import { Hono } from "hono";\nimport "../runtime/clock.ts";\n',
      "protocol/b.ts": "export async function f(): Promise<void> {\n  await g();\n}\n",
      "protocol/c.ts": "// async, await, Promise\nconst a = 'await'; const asynchronous = 1;\n",
    }),
    [
      "protocol/a.ts: imports runtime/clock.ts, which protocol may not",
      'protocol/a.ts: imports "hono", and protocol may import nothing',
      "protocol/b.ts: uses async, and protocol does not wait",
      "protocol/b.ts: uses Promise, and protocol does not wait",
      "protocol/b.ts: uses await, and protocol does not wait",
    ],
  );
});

test("The checker reports a runtime that is named outside src/runtime/", () => {
  assert.deepEqual(
    errorsOf({
      "http/a.ts": "Bun.serve({});\nconst args = globalThis.Deno?.args;\n",
      "http/b.ts": 'import fs from "node:fs";\nimport { dlopen } from "bun:ffi";\n',
      "http/c.ts": 'process.getBuiltinModule("node:os");\nconst text = `${Deno.pid}`;\n',
      "http/d.ts": '// Bun.serve, node:fs\nconst help = "Bun. and Deno."; BunLike.Denote;\n',
    }),
    [
      "http/a.ts: names Bun, which only runtime may",
      "http/a.ts: names Deno, which only runtime may",
      "http/b.ts: names node:fs, which only runtime may",
      "http/b.ts: names bun:ffi, which only runtime may",
      "http/c.ts: names Deno, which only runtime may",
      "http/c.ts: names node:os, which only runtime may",
    ],
  );
});

test("The checker reports a cycle of files, type-only imports included", () => {
  assert.deepEqual(
    errorsOf({
      "http/a.ts": 'import "./b.ts";\n',
      "http/b.ts": 'import type { C } from "./c.ts";\n',
      "http/c.ts": 'export * from "./a.ts";\n',
      "http/d.ts": 'import "./d.ts";\n',
    }),
    [
      "http/a.ts: imports itself: http/a.ts → http/b.ts → http/c.ts → http/a.ts",
      "http/d.ts: imports itself: http/d.ts → http/d.ts",
    ],
  );
});

test("The checker reports a file of more than 400 lines", () => {
  assert.deepEqual(
    errorsOf({ "http/a.ts": "\n".repeat(LINES_MAX), "http/b.ts": "\n".repeat(LINES_MAX + 1) }),
    ["http/b.ts: has 401 lines, over 400"],
  );
});

test("The checker takes nothing in comments, strings, templates or regexes for code", () => {
  const sources = [
    '/**\n * import { a } from "../cli/a.ts";\n */',
    '// import "../cli/a.ts"',
    "const a = 'import \"../cli/a.ts\"';",
    'const a = "\\" import \'../cli/a.ts\'";',
    "const a = `import \"../cli/a.ts\" ${b ? `import '../cli/b.ts'` : {}} Deno.exit()`;",
    "const a = /import '..\\/cli\\/a.ts'[/'\"]/; const b = 4 / 2; const c = `\\``;",
    'const url = "https://example.org"; // Bun.serve',
  ];
  for (const source of sources) {
    assert.deepEqual(errorsOf({ "protocol/a.ts": source }), [], source);
  }
});
