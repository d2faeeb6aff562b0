/** What an upstream says that is an HTTP server: where it listens, TLS, and tunnels. */
import * as v from "valibot";
import { type Address, AddressError, type AddressRules } from "../runtime/address.ts";
import { UPSTREAM_DEFAULTS as UPSTREAM } from "../upstream/options.ts";
import {
  addressLike,
  described,
  filePath,
  flag,
  list,
  optional,
  readAddress,
  section,
  textLike,
  time,
  wholeNumber,
} from "./schema_parts.ts";
import { formatTime } from "./units.ts";

const WEIGHT_MAX = 1000;
const TUNNELS_MAX = 1_000_000;
const HTTP_PORT = 80;
const HTTPS_PORT = 443;

const ADDRESS_REMEDY = 'use text, such as "127.0.0.1:8080", "https://api.internal" or "unix:/path"';

export interface HttpServerAddress {
  readonly address: Address;
  readonly isTls: boolean;
}

/** @throws {AddressError} */
function readHttpAddress(text: string): HttpServerAddress {
  const [, scheme = "", rest = ""] = /^(https?):\/\/(.*)$/i.exec(text) ?? [];
  const isTls = scheme.toLowerCase() === "https";
  if (scheme !== "" && /[/?#@]/.test(rest)) {
    const [host = ""] = rest.split(/[/?#]/);
    const what = `Cannot read address "${text}": a server has no path`;
    throw new AddressError(`${what} (use "${scheme}://${host.replace(/^.*@/, "")}")`);
  }
  const rules: AddressRules = scheme === ""
    ? { services: true }
    : { services: true, defaultPort: isTls ? HTTPS_PORT : HTTP_PORT };
  return { address: readAddress(scheme === "" ? text : rest, rules), isTls };
}

const httpAddress = addressLike(readHttpAddress, ADDRESS_REMEDY);

/** What is said of a server beside its address. */
export const serverEntries = {
  weight: optional(
    wholeNumber(1, WEIGHT_MAX),
    "Weight for load balancing: with 2 it gets twice as many requests as with 1",
    1,
  ),
  backup: optional(flag(), "Whether it gets requests only while no other server is up", false),
};

const server = v.pipe(
  v.union([
    httpAddress,
    section({
      address: described(
        httpAddress,
        `Where the server listens; http:// and https:// say ${HTTP_PORT} and ${HTTPS_PORT} for the port`,
      ),
      ...serverEntries,
    }),
  ], 'use an address such as "127.0.0.1:8080", or a map with address, weight, backup'),
  v.transform((value) =>
    "weight" in value
      ? { ...value.address, weight: value.weight, backup: value.backup }
      : { ...value, weight: 1, backup: false }
  ),
);

const tls = section({
  server_name: optional(
    textLike(/^[A-Za-z0-9_.:-]+$/, "use the name of a host"),
    "Name that the certificate must be for, which is also asked for (SNI); default: the address's host",
  ),
  ca: optional(
    filePath(),
    "Certificates, PEM, of the authorities that vouch for the servers; default: the system's",
  ),
});

const tunnels = section({
  max: optional(
    wholeNumber(0, TUNNELS_MAX),
    "Maximum of WebSockets at the same time; beyond it: 503",
    UPSTREAM.tunnels.max,
  ),
  idle_timeout: optional(
    time(1),
    "Timeout of a WebSocket in which nothing is sent in either direction",
    formatTime(UPSTREAM.tunnels.idleMs),
  ),
}, "max");

export const httpUpstreamEntries = {
  http: optional(
    list(server, 'use a list of addresses, such as ["127.0.0.1:8080"]'),
    "Addresses of HTTP/1.1 servers for proxy and forward_auth, instead of servers; default: none",
  ),
  tls: optional(tls, "TLS to servers whose addresses begin with https://", {}),
  tunnels: optional(tunnels, "WebSockets through HTTP servers", {}),
};
