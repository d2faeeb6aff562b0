/**
 * Hashes of passwords as files of users have them: bcrypt (`$2y$`), SHA-crypt (`$5$`, `$6$`) and
 * Apache's MD5 (`$apr1$`). What is none of them, or would take too long to check, is told when it is
 * read. It does not know where a hash comes from, nor how often it may be asked.
 *
 * What checks one is loaded with the first question: most configurations have no users, and the
 * libraries bring much of the runtime with them.
 */
/** The costliest bcrypt that is checked: each step doubles the time, and 12 takes a second in places. */
export const BCRYPT_COST_MAX = 14;
/** Most rounds of SHA-crypt that are made; 5,000 is its default. */
export const SHA_CRYPT_ROUNDS_MAX = 500_000;
/** bcrypt reads no more of a password. */
const BCRYPT_PASSWORD_LENGTH = 72;

/** Whether a password belongs to a hash of bcrypt that begins with `$2b$`. */
export type BcryptCheck = (password: Uint8Array<ArrayBuffer>, hash: string) => Promise<boolean>;

/** A hash that was read, to be asked about one password after the other. */
export interface PasswordHash {
  readonly text: string;
  matches(password: string): Promise<boolean>;
}

const BCRYPT = /^\$2[aby]\$(\d\d)\$([./A-Za-z0-9]{53})$/;
const SHA_CRYPT = /^\$([56])\$(?:rounds=(\d{1,9})\$)?[^$:\s]{1,16}\$([./A-Za-z0-9]+)$/;
const SHA_CRYPT_LENGTHS: Readonly<Record<string, number>> = { 5: 43, 6: 86 };
const APACHE_MD5 = /^\$apr1\$[^$:\s]{1,8}\$[./A-Za-z0-9]{22}$/;

/** `fast` checks bcrypt on other threads; left out: on ours. A text is why it cannot be read. */
export function readPasswordHash(text: string, fast?: BcryptCheck): PasswordHash | string {
  const bcrypt = BCRYPT.exec(text);
  if (bcrypt !== null) return bcryptHash(text, Number(bcrypt[1]), bcrypt[2]!, fast);
  const sha = SHA_CRYPT.exec(text);
  if (sha !== null && sha[3]!.length === SHA_CRYPT_LENGTHS[sha[1]!]) {
    return shaCryptHash(text, Number(sha[2] ?? 5000));
  }
  if (APACHE_MD5.test(text)) {
    return { text, matches: (password) => apacheMd5Matches(password, text) };
  }
  return 'it is neither bcrypt, SHA-crypt nor apr1 (make one with "afcgi hash-password")';
}

function bcryptHash(
  text: string,
  cost: number,
  rest: string,
  fast: BcryptCheck | undefined,
): PasswordHash | string {
  if (cost > BCRYPT_COST_MAX) {
    return `a bcrypt cost of ${cost} takes too long (${BCRYPT_COST_MAX} is the highest)`;
  }
  if (cost < 4) return `bcrypt has no cost of ${cost} (4 is the lowest)`;
  // What differs between the letters is how old bugs of other programs are marked.
  const hash = `$2b$${String(cost).padStart(2, "0")}$${rest}`;
  return {
    text,
    matches: async (password) => {
      // Behind a zero others read no further, so such a password would be any of many.
      if (password.includes("\0")) return false;
      const bytes = new TextEncoder().encode(password).slice(0, BCRYPT_PASSWORD_LENGTH);
      if (fast !== undefined) return await fast(bytes, hash);
      const { compare } = await import("bcryptjs");
      return await compare(password, hash);
    },
  };
}

function shaCryptHash(text: string, rounds: number): PasswordHash | string {
  if (rounds > SHA_CRYPT_ROUNDS_MAX) {
    return `${rounds} rounds of SHA-crypt take too long (${SHA_CRYPT_ROUNDS_MAX} are the most)`;
  }
  if (rounds < 1000) return `SHA-crypt has no ${rounds} rounds (1000 are the fewest)`;
  const salt = text.slice(0, text.lastIndexOf("$"));
  return { text, matches: (password) => shaCryptMatches(password, salt, text) };
}

/** Worked out on our own thread, behind the request's own turn. */
async function apacheMd5Matches(password: string, text: string): Promise<boolean> {
  const { default: apacheMd5 } = await import("apache-md5");
  return apacheMd5(password, text) === text;
}

/** As {@link apacheMd5Matches}. */
async function shaCryptMatches(password: string, salt: string, text: string): Promise<boolean> {
  const { encrypt } = await import("unixcrypt");
  return encrypt(password, salt) === text;
}
