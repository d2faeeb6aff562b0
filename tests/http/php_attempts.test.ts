/** What a `php` route does with a path for each list of attempts, over files in memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PhpHandlerOptions } from "../../src/http/options.ts";
import { compilePhpRoots } from "../../src/http/php_roots.ts";
import { decidePhp } from "../../src/http/php_route.ts";
import { parseTarget } from "../../src/http/target.ts";
import { MemoryFiles } from "../support/memory/memory_files.ts";

const FILES = [
  "/www/index.php",
  "/www/about.php",
  "/www/style.css",
  "/www/blog/index.php",
  "/www/blog/main.php",
  "/www/bare/a.txt",
  "/www/pages/team.php",
  "/www/.env",
  "/www/.well-known/x",
];

function decide(
  options: Partial<PhpHandlerOptions>,
  path: string,
): { said: string; tried: string[] } {
  const files = new MemoryFiles();
  for (const file of FILES) files.write(file, "content");
  const tried: string[] = [];
  const roots = compilePhpRoots(
    {
      kind: "php",
      upstream: "php",
      index: ["index.php"],
      frontController: undefined,
      params: {},
      ...options,
    },
    { root: "/www" },
    {
      files,
      followSymlinks: (path) => path,
      compileRoute: () => undefined as never,
      onAttempt: (attempt, kind) => void tried.push(`${attempt}: ${kind ?? "next"}`),
    },
  );
  const target = parseTarget(`http://host${path}`);
  assert.ok(target.kind === "target");
  const decision = decidePhp(roots().look, target);
  switch (decision.kind) {
    case "run":
      return { said: `run ${decision.script.scriptName}${decision.script.pathInfo}`, tried };
    case "redirect":
      return { said: `redirect ${decision.location}`, tried };
    case "refused":
      return { said: `${decision.status} ${decision.code}`, tried };
    case "pass":
      return { said: "pass", tried };
  }
}

interface Row {
  readonly try: readonly string[];
  readonly outcomes: Readonly<Record<string, string>>;
  readonly options?: Partial<PhpHandlerOptions>;
}

const ROWS: readonly Row[] = [
  {
    try: ["script", "file", "folder", "/index.php"],
    outcomes: {
      "/about.php/info": "run /about.php/info",
      "/style.css": "pass",
      "/blog": "redirect /blog/",
      "/blog/?a=1": "run /blog/index.php",
      "/bare/": "run /index.php",
      "/missing": "run /index.php",
      "/missing.php": "run /index.php",
      "/missing.php/info": "run /index.php",
      "/.env": "403 hidden_file",
    },
  },
  {
    try: ["/index.php"],
    outcomes: {
      "/about.php": "run /index.php",
      "/style.css": "run /index.php",
      "/blog": "run /index.php",
      "/.env": "403 hidden_file",
      "/a/.git/b": "403 hidden_file",
      "/.well-known/x": "run /index.php",
    },
  },
  {
    try: ["folder", "script"],
    outcomes: {
      "/blog/": "run /blog/index.php",
      "/about.php": "run /about.php",
      "/style.css": "pass",
    },
  },
  {
    try: ["script", "${path}.php", "${path}/main.php", "/pages${path}.php", "=404"],
    outcomes: {
      "/about": "run /about.php",
      "/about/": "404 no_such_file",
      "/blog": "run /blog/main.php",
      "/blog/": "run /blog/main.php",
      "/": "404 no_such_file",
      "/team": "run /pages/team.php",
      "/style.css": "404 no_such_file",
      "/.env": "403 hidden_file",
    },
  },
  {
    try: ["file", "=410"],
    outcomes: { "/style.css": "pass", "/about.php": "pass", "/missing": "410 no_such_file" },
  },
  {
    try: ["/missing.php", "/about.php"],
    outcomes: { "/": "run /about.php" },
  },
  {
    try: ["script", "${path}.php", "/index.php"],
    options: { scripts: ["/about.php"] },
    outcomes: {
      "/about": "run /about.php",
      "/pages/team": "403 script_not_allowed",
      "/pages/team.php": "403 script_not_allowed",
      "/pages/none.php": "run /index.php",
      "/pages/none": "run /index.php",
    },
  },
  {
    try: ["script", "${path}.php", "/index.php"],
    options: { strip: "/app" },
    outcomes: { "/app/about": "run /about.php", "/app/x": "run /index.php" },
  },
];

for (const { try: attempts, options, outcomes } of ROWS) {
  const beside = options === undefined ? "" : ` with ${JSON.stringify(options)}`;
  test(`try: [${attempts.join(", ")}]${beside} takes the first that is there`, () => {
    const said = Object.keys(outcomes).map((path) => {
      return [path, decide({ attempts, ...options }, path).said];
    });
    assert.deepEqual(Object.fromEntries(said), outcomes);
  });
}

test("Without try a script's name at which there is none is the end", () => {
  const options = { frontController: "/index.php" };
  assert.deepEqual(decide(options, "/missing.php"), {
    said: "404 no_such_script",
    tried: ["script: refused"],
  });
});

test("Each attempt is told with what became of it, up to the one that decides", () => {
  const options = { frontController: "/index.php" };
  assert.deepEqual(decide(options, "/missing").tried, [
    "script: next",
    "file: next",
    "folder: next",
    "/index.php: run",
  ]);
  assert.deepEqual(decide(options, "/style.css").tried, ["script: next", "file: pass"]);
});
