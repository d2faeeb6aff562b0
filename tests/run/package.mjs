// Makes the library's package as npm packs it, JavaScript and declarations side by side, in
// `dist/package`. Sources import each other as `.ts`; what is packed says `.js` everywhere, because
// not every tool reads `./x.ts` in a declaration as `./x.d.ts`.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DIST, runOrFail, tool } from "./command.mjs";
import { installPackages } from "./install.mjs";

export const PACKAGE = join(DIST, "package");

/** `from "./x.ts"` and `import("./x.ts")`; the compiler itself rewrites them in JavaScript only. */
const SOURCE_IMPORT = /((?:from\s*|import\(\s*)"\.{1,2}\/[^"]*)\.ts"/g;

/** `npm run build:package`, which `npm pack` runs too. */
export async function buildPackage() {
  await installPackages();
  rmSync(PACKAGE, { recursive: true, force: true });
  await runOrFail(tool("tsc"), ["-p", "tests/run/package.tsconfig.json"]);
  for (const name of readdirSync(PACKAGE, { recursive: true })) {
    if (!name.endsWith(".d.ts")) continue;
    const path = join(PACKAGE, name);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.replace(SOURCE_IMPORT, '$1.js"'));
  }
  return 0;
}
