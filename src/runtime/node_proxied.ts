/**
 * What a proxy says before a client's handshake (PROXY protocol), read from a socket of `node:net`;
 * what came behind it is put back. Who is not named, says something else, or takes too long is cut.
 */
import type { Socket } from "node:net";
import type { ProxyProtocol } from "./callback_socket.ts";
import type { HttpPeer } from "./connection.ts";
import { PROXIED_MAX, readProxyHeader } from "./proxy_header.ts";

export function readProxied(
  socket: Socket,
  peer: HttpPeer,
  { proxyProtocol: { isTrusted, onRefused }, timeoutMs, waiting }: {
    readonly proxyProtocol: ProxyProtocol;
    readonly timeoutMs: number;
    /** The listener's sockets that are being read here. */
    readonly waiting: Set<Socket>;
  },
  done: (client: HttpPeer) => void,
): void {
  socket.on("error", () => {});
  const refuse = (why: string): void => {
    clearTimeout(timer);
    waiting.delete(socket);
    socket.off("data", onData);
    onRefused(peer.host, why);
    socket.resetAndDestroy();
  };
  const timer = setTimeout(() => refuse("It did not come in time"), timeoutMs);
  let gathered = Buffer.alloc(0);
  const onEnd = (): void => void socket.destroy();
  const onData = (bytes: Uint8Array): void => {
    gathered = Buffer.concat([gathered, bytes]);
    const header = readProxyHeader(gathered);
    if (header === null) return refuse("What came is no PROXY header");
    if (header === undefined) return;
    onClose();
    socket.off("data", onData);
    socket.off("end", onEnd);
    socket.off("close", onClose);
    socket.pause();
    if (header.length < gathered.length) socket.unshift(gathered.subarray(header.length));
    done(header.client ?? peer);
    socket.resume();
  };
  const onClose = (): void => {
    clearTimeout(timer);
    waiting.delete(socket);
  };
  if (waiting.size >= PROXIED_MAX) return refuse("Too many wait");
  if (!isTrusted(peer.host)) return refuse("It is no proxy that is named");
  waiting.add(socket);
  socket.on("data", onData);
  socket.on("end", onEnd);
  socket.on("close", onClose);
}
