/** Where a configuration listens: its addresses as places, with what is said of each. */
import { formatAddress } from "../runtime/address.ts";
import type { InheritedSockets, ListenPlace } from "./inherited_sockets.ts";
import type { ListenOptions } from "./options.ts";

export interface GenerationPlace extends ListenPlace {
  readonly isTls: boolean;
  readonly listen: ListenOptions;
}

/** An address may be there twice where its port is 0: the second one is another place. */
export function placesOf(
  listen: readonly ListenOptions[],
  inherited: InheritedSockets,
): readonly GenerationPlace[] {
  const counts = new Map<string, number>();
  return listen.flatMap((one) => {
    const name = formatAddress(one.address);
    const number = counts.get(name) ?? 0;
    counts.set(name, number + 1);
    const isTls = one.tls !== undefined;
    return inherited.placesOf(one.address, number)
      .map((place) => ({ ...place, isTls, listen: one }));
  });
}
