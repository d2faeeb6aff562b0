/**
 * Answers to HEAD of which nobody knows how long a GET's would be. The runtimes' servers write
 * "Content-Length: 0" for a body that is not there, which a client takes for the length of the content
 * (RFC 9110 section 8.6); each adapter says in its own way that there is none.
 */

/** Statuses that have no content, so that no length is missing. */
const WITHOUT_CONTENT: ReadonlySet<number> = new Set([204, 205, 304]);

/** Whether an answer to HEAD is one of these. */
export function isOfUnknownLength({ body, headers, status }: Response): boolean {
  return body === null && !headers.has("content-length") && !WITHOUT_CONTENT.has(status);
}
