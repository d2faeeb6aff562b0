/** `$server_port`: the port of the listener, which is known where a server has one alone. */
import type { Scope } from "./scope.ts";
import { speaksTls } from "./tls_options.ts";

/** Undefined where it is one of several. */
export function portValue(scope: Scope): string | undefined {
  const ports = scope.own("listen").map(({ args: [place = ""] }) => portOf(place));
  const [first = "80", ...others] = ports;
  return others.every((port) => port === first) ? first : undefined;
}

/** Undefined where a scheme has several ports, or a port both schemes. */
export function schemesOf(scope: Scope): ReadonlyMap<string, "http" | "https"> | undefined {
  const schemes = new Map<string, "http" | "https">();
  for (const listen of scope.own("listen")) {
    const port = portOf(listen.args[0] ?? "");
    const scheme = speaksTls(scope, listen) ? "https" : "http";
    if ((schemes.get(port) ?? scheme) !== scheme) return undefined;
    schemes.set(port, scheme);
  }
  return new Set(schemes.values()).size === schemes.size ? schemes : undefined;
}

function portOf(place: string): string {
  return place.startsWith("unix:") ? "" : /(?:^|:)(\d+)$/.exec(place)?.[1] ?? "80";
}
