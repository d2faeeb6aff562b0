/** The part of `afcgi demo --gemini`: a capsule in front of the same application. */
import type { AppOptions } from "../app/options.ts";
import { GEMINI_LIMIT_DEFAULTS } from "../gemini/options.ts";
import { GEMINI_PORT } from "../gemini/uri.ts";
import { type Address, formatAddress, type TcpAddress } from "../runtime/address.ts";

export const DEFAULT_GEMINI_LISTEN = `127.0.0.1:${GEMINI_PORT}`;

const PAGE = `# afcgi

This page came over Gemini; what is behind the links comes from a FastCGI application, over the same connection as what a browser asks for.

=> /env What the application was told
=> /stream A response that comes piece by piece
=> /status?code=404 A response that is not found
`;

/** What a client on this machine can open. */
export function geminiUrlOf(address: Address): string {
  const port = address.transport === "tcp" ? address.port : GEMINI_PORT;
  return `gemini://localhost${port === GEMINI_PORT ? "" : `:${port}`}/`;
}

/** `store` keeps the certificate, so that clients meet the same one at the next demo. */
export function demoGemini(
  listen: TcpAddress,
  upstream: string,
  store: string,
): NonNullable<AppOptions["gemini"]> {
  const hosts = ["127.0.0.1", "0.0.0.0", "::"].includes(listen.host)
    ? ["localhost", "127.0.0.1"]
    : ["localhost", formatAddress({ ...listen, port: 1 }).slice("tcp://".length, -":1".length)];
  const page = { kind: "respond", code: 20, meta: "text/gemini", body: PAGE } as const;
  const application = {
    kind: "fastcgi",
    upstream,
    strip: 0,
    scriptName: undefined,
    params: {},
    convert: "cgi",
  } as const;
  return {
    sites: [{
      listen,
      port: undefined,
      hosts,
      tls: { kind: "self_signed", store },
      versionMin: "1.2",
      root: undefined,
      routes: [
        { path: "/", clientCert: undefined, handler: page },
        { path: undefined, clientCert: undefined, handler: application },
      ],
    }],
    limits: GEMINI_LIMIT_DEFAULTS,
  };
}
