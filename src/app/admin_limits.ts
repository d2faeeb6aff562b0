/**
 * What the admin address may take: it has connections of its own, within the descriptors that are
 * kept from clients, and short times, so that it answers while clients have all that is theirs.
 */
import type { ConnectionTimeouts } from "../http1/connection_server.ts";
import { type Admission, CONNECTION_TIMEOUTS } from "../http1/server.ts";

export const ADMIN_CONNECTIONS_MAX = 16;

export const ADMIN_LIMITS = {
  timeouts: {
    ...CONNECTION_TIMEOUTS,
    headersMs: 5_000,
    idleMs: 15_000,
    sendMs: 30_000,
    closeMs: 1_000,
  } satisfies ConnectionTimeouts,
} as const;

export function adminAdmission(): Admission {
  let open = 0;
  return {
    admit: () => {
      if (open >= ADMIN_CONNECTIONS_MAX) return false;
      open++;
      return true;
    },
    leave: () => void open--,
  };
}
