/**
 * What every page that afcgi makes itself looks like: error pages, the listing of a directory, the
 * demo. One style for all, so that one hash names it in a policy; light or dark as the reader's
 * system is; no script, no image, nothing loaded from elsewhere.
 */

const STYLE = `
:root{color-scheme:light dark;--ink:#1c2430;--paper:#fbfaf7;--soft:#5f687a;--line:#e3e0d8;--accent:#0b6e6e}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--paper:#14181e;--soft:#98a2b3;--line:#2a313b;--accent:#5cc8c0}}
body{margin:0 auto;max-width:44rem;padding:12vh 1.5rem 4rem;background:var(--paper);color:var(--ink);font:1.05rem/1.6 ui-sans-serif,system-ui,sans-serif;overflow-wrap:anywhere}
h1{margin:0;font-size:clamp(1.7rem,8vw,2.6rem);line-height:1.2;letter-spacing:-.03em}
h1 span{color:var(--accent)}
p{margin:.6rem 0 2.5rem}
small,.soft{color:var(--soft)}
a{color:var(--accent);text-decoration:none}
a:hover,a:focus-visible{text-decoration:underline}
code,dt{font-family:ui-monospace,monospace;font-size:.92em}
dl{display:grid;grid-template-columns:max-content 1fr;margin:0}
dt,dd{margin:0;padding:.45rem 0;border-top:1px solid var(--line)}
dt{padding-right:2rem}
.wide{max-width:60rem;padding:5vh 1rem 2rem}
.wide h1{font-size:1.3rem;letter-spacing:0;margin-bottom:1.2rem}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.4rem .6rem .4rem 0;border-bottom:1px solid var(--line);text-align:left}
th{font-weight:500;white-space:nowrap}
.size,.time{text-align:right;white-space:nowrap;width:1%;padding-left:.6rem}
@media(max-width:36rem){dl{display:block}dd{border:0;padding-top:0}.time{display:none}}
`;

/** Of {@link STYLE}, for policies; a test computes it anew. */
const STYLE_HASH = "sha256-26hOUzdFwYxt3BrNrRL+bYMTS/wb3o8tjNvaN7iI4M8=";

/** Content-Security-Policy of such a page: nothing runs or loads, whatever a name in it does. */
export const PAGE_POLICY =
  `default-src 'none'; style-src '${STYLE_HASH}'; base-uri 'none'; form-action 'none'; ` +
  "frame-ancestors 'self'";

export interface PageParts {
  /** Text; what it means in HTML is taken from it. */
  readonly title: string;
  /** HTML. */
  readonly content: string;
  /** For what is more than a few lines of text. */
  readonly isWide?: boolean;
}

export function htmlPage({ title, content, isWide = false }: PageParts): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body${isWide ? ' class="wide"' : ""}>
${content}
</body>
</html>
`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** A text as HTML, also within an attribute's quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}
