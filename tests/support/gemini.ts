/** A Gemini client for tests on the runtime's own TLS, and capsules in the test's process. */
import type { AppOptions } from "../../src/app/options.ts";
import {
  GEMINI_LIMIT_DEFAULTS,
  type GeminiLimits,
  type GeminiRouteOptions,
  type GeminiSiteOptions,
} from "../../src/gemini/options.ts";
import type { FastCgiHandler } from "../../src/responder/options.ts";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import type { TcpAddress } from "../../src/runtime/address.ts";
import type { TlsFiles } from "../../src/runtime/connection.ts";
import type { TlsConnection } from "../../src/runtime/tls.ts";
import {
  freshPath,
  freshSocket,
  type Gateway,
  gatewayAppOptions,
  LOOPBACK,
  runtime,
  startGateway,
  untilNothingIsOpen,
} from "./gateway.ts";

export interface GeminiReply {
  /** The header without CRLF. */
  readonly header: string;
  readonly body: string;
}

export interface GeminiDialOptions {
  readonly serverName?: string;
  readonly identity?: TlsFiles;
}

/** Opens a connection for one request. */
export function dialGemini(
  port: number,
  { serverName = "localhost", identity }: GeminiDialOptions = {},
): Promise<TlsConnection> {
  return runtime.tls.connect({ transport: "tcp", host: "127.0.0.1", port }, {
    ...(serverName !== "" && { serverName }),
    ...(identity && { identity }),
  });
}

/** Sends bytes as they are and reads to the end. */
export async function sendGemini(
  port: number,
  text: string,
  options: GeminiDialOptions = {},
): Promise<GeminiReply> {
  const connection = await dialGemini(port, options);
  await connection.writable.getWriter().write(new TextEncoder().encode(text));
  return await readReply(connection);
}

export async function readReply(connection: TlsConnection): Promise<GeminiReply> {
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of connection.readable) pieces.push(piece);
  } catch {
    // Cut; what came before counts.
  }
  connection.destroy();
  const text = Buffer.concat(pieces).toString();
  const end = text.indexOf("\r\n");
  return { header: text.slice(0, Math.max(end, 0)), body: text.slice(end < 0 ? 0 : end + 2) };
}

export interface CapsuleOptions {
  readonly routes: readonly GeminiRouteOptions[];
  readonly root?: string;
  readonly symlinkTargets?: readonly string[];
  readonly hosts?: readonly string[];
  /** In the place of the one site. */
  readonly sites?: readonly GeminiSiteOptions[];
  readonly limits?: Partial<GeminiLimits>;
  /** Behind the upstream "app". */
  readonly application?: FastCgiHandler;
  /** Where the upstream "app" is, in the application's place. */
  readonly server?: TcpAddress;
}

export interface Capsule extends Gateway {
  readonly geminiPort: number;
  /** The response to a path, or to a whole URI, at localhost. */
  ask(target: string, options?: GeminiDialOptions): Promise<GeminiReply>;
}

export function route(
  handler: GeminiRouteOptions["handler"],
  path?: string,
  clientCert?: GeminiRouteOptions["clientCert"],
): GeminiRouteOptions {
  return { path, clientCert, handler };
}

export const TO_APP = {
  kind: "fastcgi",
  upstream: "app",
  strip: 0,
  scriptName: undefined,
  params: {},
  convert: "none",
} as const;

export function capsuleSite(options: CapsuleOptions, store: string): GeminiSiteOptions {
  return {
    listen: LOOPBACK,
    port: undefined,
    hosts: options.hosts ?? ["localhost", "127.0.0.1"],
    tls: { kind: "self_signed", store },
    versionMin: "1.2",
    root: options.root,
    symlinkTargets: options.symlinkTargets,
    routes: options.routes,
  };
}

/** Starts application and afcgi, hands them to `use` and stops both. */
export async function withCapsule(
  options: CapsuleOptions,
  use: (capsule: Capsule) => Promise<void>,
): Promise<void> {
  const address = options.server ?? freshSocket();
  const application = options.application &&
    await serveFastCgi(options.application, { listen: address });
  const base = gatewayAppOptions({ admin: true }, address);
  const appOptions: AppOptions = {
    ...base,
    gemini: {
      sites: options.sites ?? [capsuleSite(options, freshPath())],
      limits: { ...GEMINI_LIMIT_DEFAULTS, requestsPerSecondMax: 0, ...options.limits },
    },
  };
  try {
    const gateway = await startGateway(appOptions);
    const [gemini] = gateway.app.geminiAddresses;
    const geminiPort = gemini?.transport === "tcp" ? gemini.port : 0;
    const ask = (target: string, dial?: GeminiDialOptions) => {
      const uri = target.startsWith("/") ? `gemini://localhost:${geminiPort}${target}` : target;
      return sendGemini(geminiPort, `${uri}\r\n`, dial);
    };
    try {
      await use({ ...gateway, geminiPort, ask });
      await untilNothingIsOpen(gateway);
    } finally {
      await gateway.app.stop();
    }
  } finally {
    await application?.shutdown({ grace: 0 });
  }
}
