/**
 * What a configuration must not give away in messages and in what `explain` prints: passwords, and
 * what `${env.NAME}` stands for. In a message the reference stands in the value's place, so it still
 * says where to look; a password is `***`.
 */

/** What stands in the place of a secret that has no better name. */
export const MASK = "***";

/** Keys at and below which every text is a secret; a realm is none. */
const SECRET_KEYS: ReadonlySet<string> = new Set(["basic_auth", "users", "plain", "hash"]);
const NO_SECRETS: ReadonlySet<string> = new Set(["realm", "file"]);
/** Keys that only pass something on. */
const PASSING_KEYS: ReadonlySet<string> = new Set([
  "pass_headers",
  "pass_request_body",
  "pass_request_headers",
]);

/** Names of parameters, fields and variables that hold secrets. */
const SECRET_NAME =
  /(?:pass(?:w(?:or)?d|phrase)?|secret|token|credential|api_?key|private_?key|hmac|dsn|authorization|auth_pw)s?(?:_|-|$)/i;

/** Shorter values are masked only where they stand alone: they could be a part of any word. */
const ANYWHERE_LENGTH_MIN = 4;

export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** Whether a text below these keys is a secret. */
export function isSecretKey(key: string): boolean {
  return SECRET_KEYS.has(key) || (isSecretName(key) && !PASSING_KEYS.has(key));
}

export function isNoSecretKey(key: string): boolean {
  return NO_SECRETS.has(key);
}

/** The secrets of a file that was read, and what may be shown in their place. */
export class Secrets {
  readonly #shown = new Map<string, string>();

  add(value: string, shown: string = MASK): void {
    if (value !== "" && !this.#shown.has(value)) this.#shown.set(value, shown);
  }

  /** A copy of plain data with every text masked. */
  maskAll<Data>(data: Data): Data {
    if (typeof data === "string") return this.mask(data) as Data;
    if (Array.isArray(data)) return data.map((item) => this.maskAll(item)) as Data;
    if (typeof data !== "object" || data === null) return data;
    const entries = Object.entries(data).map(([key, value]) => [key, this.maskAll(value)]);
    return Object.fromEntries(entries) as Data;
  }

  /** The text without any of them; a short one only as the whole of it, or in quotes. */
  mask(text: string): string {
    const whole = this.#shown.get(text);
    if (whole !== undefined) return whole;
    let masked = text;
    // The longest first: a secret may be a part of another one.
    const longestFirst = [...this.#shown].sort(([a], [b]) => b.length - a.length);
    for (const [value, shown] of longestFirst) {
      for (const form of new Set([value, JSON.stringify(value).slice(1, -1)])) {
        if (value.length >= ANYWHERE_LENGTH_MIN) masked = masked.replaceAll(form, () => shown);
        else masked = masked.replaceAll(`"${form}"`, () => `"${shown}"`);
      }
    }
    return masked;
  }
}
