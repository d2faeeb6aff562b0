/**
 * A site's addresses → its hosts, where it listens, and its certificates, as Caddy's automatic HTTPS
 * has them: a name gets HTTPS and a redirect from HTTP, one of this machine a local certificate.
 */
import type { Directive } from "../import/directive.ts";
import type { Globals } from "./globals.ts";

export interface Address {
  readonly scheme: "http" | "https" | undefined;
  /** Empty for every one. */
  readonly host: string;
  readonly port: number | undefined;
}

/** Undefined for what is no address. */
export function readAddress(text: string): Address | undefined {
  const [, scheme, rest = ""] = /^(?:(https?):\/\/)?(.*)$/i.exec(text) ?? [];
  const [, host, port] = /^(\[[0-9a-f:.]+\]|[^:/\s{}]*)(?::(\d+))?\/?$/i.exec(rest) ?? [];
  if (host === undefined) return undefined;
  if (host !== "" && !/^(?:\[[^\]]+\]|[A-Za-z0-9*_](?:[A-Za-z0-9._*-]*))$/.test(host)) {
    return undefined;
  }
  return {
    scheme: scheme?.toLowerCase() as "http" | "https" | undefined,
    host: host.toLowerCase(),
    port: port === undefined ? undefined : Number(port),
  };
}

export interface Place {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
}

export interface SiteTls {
  /** Whether `tls` says certificates. */
  readonly isSaid: boolean;
}

export function placeOf(address: Address, globals: Globals, { isSaid }: SiteTls): Place {
  const { scheme, host } = address;
  const isPlain = scheme === "http" ||
    (scheme === undefined && address.port === globals.httpPort) ||
    (scheme === undefined && globals.autoHttps === "off" && !isSaid &&
      address.port !== globals.httpsPort) ||
    // A port alone says nothing of a name that a certificate could be for.
    (scheme === undefined && host === "" && !isSaid && address.port !== globals.httpsPort);
  const port = address.port ?? (isPlain ? globals.httpPort : globals.httpsPort);
  return { host, port, isTls: !isPlain };
}

/** Names that a public authority makes no certificate for. */
export function isOfThisMachine(host: string): boolean {
  return host === "localhost" || /\.(?:localhost|local|internal|home\.arpa)$/.test(host) ||
    /^\d+(?:\.\d+){3}$/.test(host) || host.startsWith("[");
}

/** Where listeners are, without names. */
export function listenersOf(
  { port }: Place,
  binds: readonly string[],
): readonly string[] {
  if (binds.length === 0) return [`:${port}`];
  return binds.map((bind) => {
    if (bind.startsWith("unix/")) return `unix:${bind.slice("unix/".length).replace(/\|.*$/, "")}`;
    if (bind === "0.0.0.0") return `0.0.0.0:${port}`;
    if (bind === "::" || bind === "[::]") return `:${port}`;
    return bind.includes(":") && !bind.startsWith("[") ? `[${bind}]:${port}` : `${bind}:${port}`;
  });
}

export function addressTexts({ name, args }: Directive): readonly string[] {
  return [name, ...args].filter((text) => text !== "");
}
