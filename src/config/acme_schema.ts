/** The schema of `acme`, and its checked values → options. */
import * as v from "valibot";
import {
  ACME_DEFAULTS,
  type AcmeOptions,
  CHALLENGE_KINDS,
  LETS_ENCRYPT,
  LETS_ENCRYPT_STAGING,
} from "../acme/options.ts";
import { resolvePath } from "./paths.ts";
import {
  described,
  filePath,
  list,
  oneOf,
  optional,
  refuse,
  section,
  textLike,
} from "./schema_parts.ts";

/** In clear only on this machine; without a user, whom nobody would ask for. */
const DIRECTORY =
  /^(?:https:\/\/[^\s/@#?:]+|http:\/\/(?:localhost|127\.0\.0\.1|\[::1\]))(?::\d{1,5})?(?:\/[^\s#]*)?$/;
const ASK = /^https?:\/\/[^\s/@#?]+(?:[/?][^\s#]*)?$/;
const EMAIL = /^[^\s@,?&;:<>"()]+@[^\s@,?&;:<>"()]+$/;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;
const RATE = /^([1-9]\d{0,5})\/([smhd])$/;
const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export const DIRECTORY_REMEDY = `use a directory's https URL, such as "${LETS_ENCRYPT}"`;
const ASK_REMEDY = 'use a URL, such as "http://127.0.0.1:9000/may-have-certificate"';
export const EMAIL_REMEDY = 'use one address, such as "ops@example.com"';

/** Whether an authority can be asked there. */
export function isDirectoryUrl(text: string): boolean {
  return DIRECTORY.test(text) && URL.canParse(text);
}

export function isEmail(text: string): boolean {
  return EMAIL.test(text);
}

const onDemandSchema = section({
  ask: described(
    v.pipe(textLike(ASK, ASK_REMEDY), v.title("URL")),
    "URL that is asked, with ?domain=NAME, whether a name may have a certificate; 200: yes",
  ),
  rate: optional(
    v.pipe(textLike(RATE, 'use a number and a unit, such as "10/m" (s, m, h, d)'), v.title("rate")),
    "Maximum number of new names in a time",
    "10/m",
  ),
});

export const acmeSchema = section({
  directory: optional(
    v.pipe(textLike(DIRECTORY, DIRECTORY_REMEDY), v.title("URL")),
    "URL of the authority's directory",
    LETS_ENCRYPT,
  ),
  email: optional(
    textLike(EMAIL, EMAIL_REMEDY),
    "Email address at which the authority may reach you; default: none",
  ),
  ca: optional(
    filePath(),
    "File of the certificates, PEM, that vouch for a private authority's own server; default: " +
      "those that everybody trusts",
  ),
  eab: optional(
    section({
      key_id: described(textLike(/^\S+$/, "use the key's id"), "Id of the key"),
      hmac_key: described(
        textLike(BASE64, "use the key in base64, as the authority shows it"),
        "The key, base64",
      ),
    }),
    "Key of an account that you have at the authority (external account binding); default: none",
  ),
  challenges: optional(
    v.pipe(
      list(oneOf(CHALLENGE_KINDS), `use a list, such as [${CHALLENGE_KINDS.join(", ")}]`),
      refuse((kinds) =>
        new Set(kinds).size === kinds.length
          ? undefined
          : "A challenge stands in the list twice (name each once)"
      ),
    ),
    "How the authority may be shown that a name is yours, the preferred way first",
    [...CHALLENGE_KINDS],
  ),
  profile: optional(
    textLike(/^[A-Za-z0-9_.-]{1,64}$/, "use a profile's name, such as shortlived"),
    "Profile of certificates, where the authority has profiles; default: the authority's own",
  ),
  on_demand: optional(
    onDemandSchema,
    "Certificates for names that no site lists by name, at their first handshake; default: none",
  ),
});

export function acmeOptions(
  config: v.InferOutput<typeof acmeSchema>,
  configDirectory: string,
): AcmeOptions {
  const { directory, email, ca, eab, challenges, profile, on_demand: onDemand } = config;
  return {
    ...withDirectory(directory),
    challenges,
    ...(email !== undefined && { email }),
    ...(ca !== undefined && { ca: resolvePath(configDirectory, ca) }),
    ...(eab && { eab: { keyId: eab.key_id, hmacKey: eab.hmac_key } }),
    ...(profile !== undefined && { profile }),
    ...(onDemand && { onDemand: { ask: onDemand.ask, ...rateOf(onDemand.rate) } }),
  };
}

/** An order that keeps failing is tried out where Let's Encrypt has a place for that. */
export function withDirectory(
  directory: string,
): Pick<AcmeOptions, "directory" | "stagingDirectory"> {
  return {
    directory,
    ...(directory === LETS_ENCRYPT && { stagingDirectory: LETS_ENCRYPT_STAGING }),
  };
}

function rateOf(text: string): { readonly rateCount: number; readonly ratePeriodMs: number } {
  const [, count, unit] = RATE.exec(text)!;
  return { rateCount: Number(count), ratePeriodMs: UNIT_MS[unit as keyof typeof UNIT_MS] };
}

export { ACME_DEFAULTS };
