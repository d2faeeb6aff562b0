/** Keys that afcgi had once: whoever still writes one is told what holds instead. */

const REMOVED_KEYS: ReadonlyMap<string, string> = new Map([
  ["engine", "afcgi serves HTTP itself, as engine: afcgi did (take the key out)"],
  [
    "response_gather",
    "every response keeps the length that its application declares (take the key out)",
  ],
]);

export function removedKeyMessage(key: string): string | undefined {
  const instead = REMOVED_KEYS.get(key);
  return instead && `Key ${key} is gone: ${instead}`;
}
