/**
 * What a service manager is told (sd_notify(3)), over the socket that it names in `NOTIFY_SOCKET`.
 * Nothing that goes wrong here matters to anybody but the manager, who then does what it does with a
 * service that says nothing.
 */
import { type LibC, monotonicUs, sendDatagram } from "./libc.ts";

export interface ServiceManager {
  /** Sends lines such as `READY=1`; false when they were not taken. `%now%` is the time in µs. */
  notify(socket: string, text: string): Promise<boolean>;
}

export function createServiceManager(openLibC: () => Promise<LibC>): ServiceManager {
  let libc: Promise<LibC> | undefined;
  return {
    async notify(socket, text) {
      try {
        const opened = await (libc ??= openLibC());
        return sendDatagram(
          opened,
          socket,
          text.replace("%now%", () => String(monotonicUs(opened))),
        );
      } catch {
        return false;
      }
    },
  };
}
