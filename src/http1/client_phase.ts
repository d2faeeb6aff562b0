/** What a client's connection is at, in words that hold for every version of HTTP, for who counts them. */

export const CLIENT_PHASES = ["idle", "reading", "responding", "sending", "closing"] as const;

/**
 * - `idle`: between two requests;
 * - `reading`: some of a request has come, of HTTP/1 its headers, or what is left of its body;
 * - `responding`: a request is under way, of HTTP/2 one at least;
 * - `sending`: all is said, and the client has yet to take it;
 * - `closing`: nothing more is read.
 */
export type ClientPhase = (typeof CLIENT_PHASES)[number];
