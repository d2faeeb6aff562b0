/** The pages that a reader has: those at the top of the repository, and those of docs/. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../../", import.meta.url);

export interface Page {
  /** Such as `docs/configuration.md`. */
  readonly name: string;
  readonly text: string;
}

export function allPages(): Page[] {
  const names = readdirSync(fileURLToPath(new URL("docs/", ROOT)))
    .filter((name) => name.endsWith(".md"))
    .sort()
    .map((name) => `docs/${name}`);
  return ["README.md", "CONTRIBUTING.md", "SECURITY.md", ...names].map((name) => ({
    name,
    text: readText(name),
  }));
}

/** A file of the repository. */
export function readText(name: string): string {
  return readFileSync(fileURLToPath(new URL(name, ROOT)), "utf8");
}

/** What stands between fences that name the language. */
export function blocksOf({ text }: Page, language: string): string[] {
  const blocks = text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"));
  return [...blocks].map(([, block]) => block!);
}

/** Identifiers of a page's headings, as Markdown's readers make them. */
export function anchorsOf({ text }: Page): string[] {
  const prose = text.replace(/^```.*?^```$/gms, "");
  return [...prose.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!.toLowerCase().replace(/[^a-z0-9 _-]/g, "").replaceAll(" ", "-")
  );
}
