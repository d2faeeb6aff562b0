/** The page at `/` of the demo application: what this is, and what to try. No script, no request. */

const ROUTES: readonly [href: string, what: string][] = [
  ["/env", "every parameter that came with this request"],
  ["/echo?hello=1", "the request, or its body, sent back"],
  ["/slow?ms=2000", "an answer that takes its time and blocks nobody"],
  ["/stream?chunks=10&ms=300", "a body in pieces, each as it is made"],
  ["/sse?chunks=10&ms=1000", "server-sent events"],
  ["/bytes?n=1048576", "so many bytes"],
  ["/status?code=418", "any status"],
  ["/headers", "your headers, under several of ours"],
  ["/stderr?text=hello", "a line for the gateway's log"],
  ["/connections", "connections seen, requests in flight"],
  ["/throw", "a handler that throws"],
  ["/broken?chunks=3", "a body that fails halfway: the client can tell"],
];

const STYLE = `
:root { color-scheme: light dark; --ink: light-dark(#1c2430, #e6e9ee); --paper: light-dark(#fbfaf7,
  #14181e); --soft: light-dark(#667084, #98a2b3); --line: light-dark(#e3e0d8, #2a313b);
  --accent: light-dark(#0b6e6e, #5cc8c0); }
body { margin: 0 auto; max-width: 44rem; padding: 12vh 1.5rem 4rem; background: var(--paper);
  color: var(--ink); font: 1.05rem/1.6 ui-sans-serif, system-ui, sans-serif; }
h1 { margin: 0; font-size: 2.6rem; letter-spacing: -0.03em; }
h1 span { color: var(--accent); }
p { color: var(--soft); margin: 0.6rem 0 2.5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; margin: 0; }
dt, dd { margin: 0; padding: 0.45rem 0; border-top: 1px solid var(--line); }
dt { padding-right: 2rem; font-family: ui-monospace, monospace; font-size: 0.92em; }
dd { color: var(--soft); }
a { color: var(--accent); text-decoration: none; }
a:hover, a:focus-visible { text-decoration: underline; }
@media (max-width: 36rem) { dl { display: block; } dd { border: 0; padding-top: 0; } }
`;

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

const ROWS = ROUTES.map(([href, what]) => {
  const text = escapeHtml(href);
  return `<dt><a href="${text}">${text}</a></dt><dd>${escapeHtml(what)}</dd>`;
}).join("\n");

export const DEMO_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>afcgi demo</title>
<style>${STYLE}</style>
<h1><span>a</span>fcgi</h1>
<p>It works. This page came from an asynchronous FastCGI application: one process, one connection,
many requests at a time.</p>
<dl>
${ROWS}
</dl>
</html>
`;
