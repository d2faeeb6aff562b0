/** Which protocol a connection of an upstream speaks. */
import { HttpClientConnection } from "../http_client/client_connection.ts";
import { ClientConnection } from "../protocol/client_connection.ts";
import type { ClientProtocol } from "../protocol/client_protocol.ts";
import type { UpstreamOptions } from "./options.ts";

/** The protocol's side of a new connection. */
export function createProtocol(options: UpstreamOptions, multiplexed: boolean): ClientProtocol {
  if (options.protocol === "http") {
    return new HttpClientConnection(options.limits.responseHeaderMax);
  }
  return new ClientConnection(multiplexed ? options.connections.streamsMax : 1);
}
