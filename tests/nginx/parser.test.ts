import assert from "node:assert/strict";
import { test } from "node:test";
import { readNginx } from "../../src/nginx/includes.ts";
import { NginxSyntaxError } from "../../src/nginx/lexer.ts";
import { parseNginx } from "../../src/nginx/parser.ts";

const errorOf = (text: string): string => {
  try {
    parseNginx(text, "a.conf");
  } catch (error) {
    if (error instanceof NginxSyntaxError) return error.message;
    throw error;
  }
  return "none";
};

test("parseNginx reads words, quotes, blocks and comments with their lines", () => {
  const text = `# first
a "b c" 'd\\'e' f\\;g;
location ~ \\.php$ { # comment
  set $x "\${y}{;}";
  return 200 \${z};
}
`;
  assert.deepEqual(parseNginx(text, "a.conf"), [
    { name: "a", args: ["b c", "d'e", "f\\;g"], block: undefined, file: "a.conf", line: 2 },
    {
      name: "location",
      args: ["~", "\\.php$"],
      block: [
        { name: "set", args: ["$x", "${y}{;}"], block: undefined, file: "a.conf", line: 4 },
        { name: "return", args: ["200", "${z}"], block: undefined, file: "a.conf", line: 5 },
      ],
      file: "a.conf",
      line: 3,
    },
  ]);
});

test("parseNginx names the line of what does not end", () => {
  assert.equal(errorOf("a;\nb"), 'a.conf:2: Directive "b" does not end (add ";")');
  assert.equal(errorOf('a "b'), 'a.conf:1: The quote " does not end (close it)');
  assert.equal(errorOf("a {\nb;\n"), 'a.conf:1: The block of "a" does not end (add "}")');
  assert.equal(errorOf("a;\n}"), 'a.conf:2: There is no block to close (take "}" out)');
  assert.equal(errorOf("{ }"), 'a.conf:1: "{" has no directive before it');
  assert.match(errorOf("a {".repeat(18) + "}".repeat(18)), /Blocks are more than 16 deep/);
});

function filesOf(tree: Readonly<Record<string, string>>) {
  return {
    read: async (path: string) => tree[path],
    list: async (directory: string) =>
      Object.keys(tree).filter((path) => path.startsWith(directory))
        .map((path) => path.slice(directory.length)),
  };
}

test("readNginx puts included files in their place, by name and by pattern", async () => {
  const files = filesOf({
    "/x/one.conf": "one;",
    "/x/d/b.conf": "b;",
    "/x/d/a.conf": "\na;",
    "/x/d/c.txt": "c;",
    "/etc/nginx/fastcgi_params": "p;",
  });
  const text =
    "include one.conf;\nserver { include d/*.conf; include fastcgi_params; include no; }";
  const directives = await readNginx("/x/main.conf", text, files);
  const [one, server] = directives;
  assert.deepEqual([one?.name, one?.file, one?.line], ["one", "one.conf", 1]);
  assert.deepEqual(server?.block?.map(({ name, file, line }) => [name, file, line]), [
    ["a", "d/a.conf", 2],
    ["b", "d/b.conf", 1],
    ["p", "/etc/nginx/fastcgi_params", 1],
    ["include", "main.conf", 2],
  ]);
});

test("readNginx refuses files that include themselves, and more than 200", async () => {
  const again = filesOf({ "/x/a.conf": "include a.conf;" });
  await assert.rejects(readNginx("/x/a.conf", "include a.conf;", again), /more than 8 deep/);
  const many = filesOf({ "/x/b.conf": "b;" });
  await assert.rejects(
    readNginx("/x/a.conf", "include b.conf;\n".repeat(201), many),
    /a\.conf:201: More than 200 files are included/,
  );
});
