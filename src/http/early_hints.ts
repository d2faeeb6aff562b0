/**
 * Interim responses of an application for its client: of 103 Early Hints (RFC 8297) the links go
 * on, by which a browser begins to load what the page will want. Everything else in them, and every
 * other interim response, is between us and the application.
 */
import type { CgiHeaderSection } from "../protocol/cgi_response.ts";
import type { HttpPeer } from "../runtime/connection.ts";

const EARLY_HINTS = 103;

export function passEarlyHints(
  section: CgiHeaderSection,
  send: NonNullable<HttpPeer["earlyHints"]>,
): void {
  if (section.status !== EARLY_HINTS) return;
  const links = section.headers.filter(([name]) => name.toLowerCase() === "link")
    .map(([, value]) => value);
  if (links.length === 0) return;
  try {
    send(links);
  } catch {
    // What is no link is no hint. The response itself says all there is to say.
  }
}
