/** TLS as openssl speaks it: it tells an end (close_notify) from a cut, which the runtimes do not. */
import { spawn } from "node:child_process";

const LIMIT_MS = 20_000;

export interface TlsResponse {
  readonly text: string;
  /** Whether close_notify came before the connection's end. */
  readonly ended: boolean;
}

/** Sends a text and reads what comes until the end. `args` are more of `openssl s_client`. */
export function rawTls(
  port: number,
  text: string,
  args: readonly string[] = [],
  onData: () => void = () => {},
): Promise<TlsResponse> {
  return new Promise((resolve, reject) => {
    const where = ["-connect", `127.0.0.1:${port}`];
    const child = spawn("openssl", ["s_client", ...where, "-quiet", "-verify_quiet", ...args], {
      stdio: ["pipe", "pipe", "ignore"],
      timeout: LIMIT_MS,
    });
    const pieces: Uint8Array[] = [];
    child.stdout.on("data", (bytes: Uint8Array) => {
      pieces.push(bytes);
      onData();
    });
    child.stdin.on("error", () => {});
    child.on("error", reject);
    child.on("close", (code) => {
      resolve({ text: Buffer.concat(pieces).toString(), ended: code === 0 });
    });
    // Its input stays open: with the end of its input openssl would leave before the response.
    child.stdin.write(text);
  });
}
