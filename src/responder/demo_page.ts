/** The page at `/` of the demo application: what this is, and what to try. No script, no request. */

import { escapeHtml, htmlPage } from "../pages/page.ts";

const ROUTES: readonly [href: string, what: string][] = [
  ["/env", "every parameter that came with this request"],
  ["/echo?hello=1", "the request, or its body, sent back"],
  ["/slow?ms=2000", "a response that takes its time and blocks nobody"],
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

const ROWS = ROUTES.map(([href, what]) => {
  const text = escapeHtml(href);
  return `<dt><a href="${text}">${text}</a></dt><dd class="soft">${escapeHtml(what)}</dd>`;
}).join("\n");

export const DEMO_PAGE = htmlPage({
  title: "afcgi demo",
  content: `<h1><span>a</span>fcgi</h1>
<p class="soft">It works. This page came from an asynchronous FastCGI application: one process, one
connection, many requests at a time.</p>
<dl>
${ROWS}
</dl>`,
});
