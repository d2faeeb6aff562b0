// Reads the JUnit reports of `bun test` and `deno test`, as far as they are needed: each test's
// file, name, outcome and time. Tests are flat, so a test case is a test.

const TEST_CASE = /<testcase\b((?:[^>"]|"[^"]*")*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g;
const ENTITIES = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

/**
 * @returns {{ file: string, name: string, outcome: "passed" | "failed" | "skipped", seconds: number }[]}
 */
export function parseJunit(xml) {
  return [...xml.matchAll(TEST_CASE)].map(([, attributes, content = ""]) => ({
    // Bun names the file in `file`, Deno in `classname`.
    file: (attribute(attributes, "file") ?? attribute(attributes, "classname") ?? "")
      .replace(/^\.\//, ""),
    name: attribute(attributes, "name") ?? "",
    outcome: outcomeOf(content),
    seconds: Number(attribute(attributes, "time") ?? 0),
  }));
}

function outcomeOf(content) {
  if (/<(failure|error)\b/.test(content)) return "failed";
  return /<skipped\b/.test(content) ? "skipped" : "passed";
}

function attribute(attributes, name) {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1];
  return value?.replace(
    /&(?:#(\d+)|#x([0-9a-fA-F]+)|(\w+));/g,
    (whole, decimal, hexadecimal, entity) => {
      if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
      if (hexadecimal !== undefined) return String.fromCodePoint(parseInt(hexadecimal, 16));
      return ENTITIES[entity] ?? whole;
    },
  );
}
