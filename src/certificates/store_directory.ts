/** Where certificates, keys and accounts are kept when nobody says where. */
import type { Process } from "../runtime/process.ts";

const SYSTEM_FOLDER = "/var/lib/afcgi";

/** `configured` is the file's `tls.store`. */
export function storeDirectory(
  configured: string | undefined,
  process: Pick<Process, "env">,
): string {
  if (configured !== undefined) return configured;
  const named = process.env("AFCGI_STORE");
  if (named) return named;
  // systemd names several with ":" between them.
  const [state] = (process.env("STATE_DIRECTORY") ?? "").split(":");
  if (state) return state;
  const data = process.env("XDG_DATA_HOME");
  return data ? `${data}/afcgi` : SYSTEM_FOLDER;
}
