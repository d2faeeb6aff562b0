/**
 * The page for a status: what happened in one sentence that a visitor understands, and what an
 * operator finds the request by in the log. Of ASCII alone, so its length in bytes is that of the text.
 */
import { escapeHtml, htmlPage } from "./page.ts";

const SENTENCES: Readonly<Record<number, string>> = {
  400: "Your browser sent something that this server does not understand.",
  401: "Please sign in to see this page.",
  403: "You are not allowed to see this page.",
  404: "There is no page at this address.",
  405: "This page cannot be used in this way.",
  406: "This page is not available in a form that your browser accepts.",
  408: "Your request took too long to arrive. Please try again.",
  409: "Somebody else changed this at the same time. Please reload the page.",
  410: "This page has been removed.",
  412: "This page has changed since you last saw it. Please reload it.",
  413: "What you sent is too large for this site.",
  414: "This address is too long.",
  415: "This site does not accept files of this type.",
  416: "The file does not have the part that was asked for.",
  421: "This server is not the right one for this address.",
  429: "You have sent too many requests. Please wait a moment and try again.",
  431: "Your browser sent too much. Deleting this site's cookies may help.",
  451: "This page may not be shown for legal reasons.",
  500: "Something went wrong on our side. Please try again later.",
  501: "This server cannot do what was asked of it.",
  502: "The application behind this page did not respond properly. Please try again later.",
  503: "The site is busy at the moment. Please try again shortly.",
  504: "The application behind this page took too long. Please try again later.",
  507: "There is no room left to store this. Please try again later.",
};

/** What a visitor reads of a status. */
export function sentenceFor(status: number): string {
  return SENTENCES[status] ??
    (status < 500
      ? "This request could not be answered."
      : "Something went wrong on our side. Please try again later.");
}

/** @param reason the phrase of the status, such as `Not Found` */
export function errorPage(status: number, reason: string, code: string, requestId: string): string {
  const content = `<h1><span>${status}</span> ${escapeHtml(reason)}</h1>
<p>${sentenceFor(status)}</p>
<small>Request <code>${escapeHtml(requestId)}</code>, <code>${escapeHtml(code)}</code></small>`;
  return htmlPage({ title: `${status} ${reason}`, content });
}
