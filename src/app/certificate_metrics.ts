/** What is measured of certificates. */
import type { HeldCertificate } from "../certificates/source.ts";
import type { Counter, MetricsRegistry } from "../observe/metrics.ts";
import type { Clock } from "../runtime/clock.ts";

/** A certificate, with the name of its site, or "" for a listener's own. */
export type SiteCertificate = readonly [site: string, held: HeldCertificate];

/** Seconds until each certificate is over; negative once it is. */
export function registerExpiry(
  registry: MetricsRegistry,
  clock: Pick<Clock, "wallMs">,
  held: () => readonly SiteCertificate[],
): void {
  registry.gauge(
    "afcgi_certificate_expiry_seconds",
    "Seconds until a certificate expires; negative once it has.",
    ["site", "name"],
    () => {
      const nowMs = clock.wallMs();
      return held().map(([site, { name, notAfterMs }]) => ({
        labels: [site, name],
        value: Math.floor((notAfterMs - nowMs) / 1000),
      }));
    },
  );
}

/** What every order is counted with, of whichever configuration. */
export function orderCounter(registry: MetricsRegistry): Counter {
  const orders = registry.counter(
    "afcgi_acme_orders_total",
    "Orders of certificates at an authority, by their result.",
    ["result"],
  );
  for (const result of ["issued", "failed"]) orders.add([result], 0);
  return orders;
}
