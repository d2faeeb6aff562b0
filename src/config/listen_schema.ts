/** Where is listened: an address alone, or a map with what else is said of a listener. */
import * as v from "valibot";
import { parseServeAddress } from "../runtime/address.ts";
import { protocolEntries } from "./http2_schema.ts";
import { proxyNetworks } from "./proxy_schema.ts";
import { address, addressLike, described, optional, section } from "./schema_parts.ts";
import { socketFileCheck, socketFileEntries, withSocketFile } from "./socket_file_schema.ts";
import { listenerTlsSchema } from "./tls_schema.ts";

export const LISTEN_ADDRESS_RULES = { anyHost: true } as const;

const listenAddress = address(LISTEN_ADDRESS_RULES, 'use text, such as ":8080"');
/** One of ours, or a socket that was opened by others. */
export const serveAddress = addressLike(
  (text) => parseServeAddress(text, LISTEN_ADDRESS_RULES),
  'use text, such as ":8080"',
);

export const listener = v.pipe(
  v.union([
    serveAddress,
    v.pipe(
      section({
        address: described(
          serveAddress,
          "Where to listen: host:port, :port for every interface (IPv6 and IPv4), unix:/path, fd:3 " +
            "(an inherited socket) or systemd:NAME (that of a .socket unit)",
        ),
        tls: optional(
          listenerTlsSchema,
          "Serves HTTPS, {} with the certificates of the sites; default: HTTP",
        ),
        ...protocolEntries,
        proxy_protocol: optional(
          proxyNetworks(),
          "Peers that must send a PROXY header (version 1 or 2) first; others are cut; default: " +
            "nobody sends one",
        ),
        ...socketFileEntries,
      }),
      socketFileCheck(),
    ),
  ], 'use an address such as ":8080", or a map with address and tls'),
  v.transform((value) =>
    "address" in value
      ? {
        address: withSocketFile(value),
        tls: value.tls,
        http2: value.http2,
        http3: value.http3,
        proxyProtocol: value.proxy_protocol,
      }
      : { address: value, tls: undefined, http2: true, http3: false, proxyProtocol: undefined }
  ),
);

export const adminListener = v.pipe(
  v.union([
    listenAddress,
    v.pipe(
      section({
        address: described(listenAddress, "Where to listen: host:port, or unix:/path"),
        ...socketFileEntries,
      }),
      socketFileCheck(),
    ),
  ], 'use an address such as "127.0.0.1:9180", or a map with address, mode and group'),
  v.transform((value) => "address" in value ? withSocketFile(value) : value),
);
