/** What `http3` of a listener cannot stand beside. */
import type { ConfigNode } from "./config_node.ts";
import type { Tell } from "./located_error.ts";

export function checkHttp3(root: ConfigNode, tell: Tell): void {
  for (const listener of root.get("listen")?.items ?? []) {
    const http3 = listener.get("http3");
    if (http3?.toPlain() !== true) continue;
    const refuse = (why: string) => tell(http3.place, `Cannot serve HTTP/3 here: ${why}`);
    const tls = listener.get("tls");
    if (tls === undefined) refuse("there is no TLS (add tls: {} to the listener)");
    if (listener.get("address")?.text?.startsWith("unix:")) {
      refuse('a unix socket has no UDP port (use an address such as ":443")');
    }
    if (listener.get("proxy_protocol") !== undefined) {
      refuse("no proxy sends a PROXY header over UDP (use another listener for proxies)");
    }
    if (
      tls?.get("client_auth") !== undefined || root.get("tls")?.get("client_auth") !== undefined
    ) {
      refuse("clients cannot be asked for certificates (leave out http3, or client_auth)");
    }
  }
}
