/**
 * HTTP basic authentication (RFC 7617): who comes in by a name and password of the configuration, or of
 * a file of hashes. Who has proved to be somebody is REMOTE_USER (RFC 3875 section 4.1.11).
 */
import type { Context, MiddlewareHandler } from "hono";
import { basicAuth } from "hono/basic-auth";
import { timingSafeEqual } from "hono/utils/buffer";
import {
  type BcryptCheck,
  type PasswordHash,
  readPasswordHash,
} from "../passwords/password_hash.ts";
import { admitsUser, PasswordFile } from "../passwords/password_file.ts";
import { gateOf, TooManyChecksError } from "../passwords/verification_gate.ts";
import { fromLatin1, utf8 } from "../protocol/byte_buffer.ts";
import { ownResponse } from "./own_responses.ts";
import { type GatewayEnv, learnParameter } from "./request_context.ts";
import type { BasicAuthOptions } from "./response_options.ts";
import type { SiteDeps } from "./site_deps.ts";

/** Longest password that is looked at, in characters: hashing has no other bound. */
export const PASSWORD_LENGTH_MAX = 1024;

const BUSY = { status: 503, code: "authentication_busy", headers: { "retry-after": "1" } } as const;

export function authenticate(
  { realm, users = {}, hashes = {}, file }: BasicAuthOptions,
  { runtime }: Pick<SiteDeps, "runtime">,
): MiddlewareHandler<GatewayEnv> {
  const plain = Object.entries(users);
  if (plain.length + Object.keys(hashes).length === 0 && file === undefined) {
    throw new RangeError("Cannot let anybody in: there are no users");
  }
  const { files, clock } = runtime;
  const fast = runtime.checkBcrypt?.bind(runtime);
  const named = hashesOf(hashes, fast);
  const hashed = file === undefined ? undefined : new PasswordFile(file, files, clock, fast);
  const gate = gateOf(clock);
  const verifyUser = async (user: string, password: string): Promise<boolean> => {
    let isPlain = false;
    for (const [name, expected] of plain) {
      // All of them, each as a whole: the time tells nothing.
      const isName = await timingSafeEqual(name, user);
      isPlain = await timingSafeEqual(expected, password) && isName || isPlain;
    }
    if (isPlain || password.length > PASSWORD_LENGTH_MAX) return isPlain;
    if (named.size > 0 && await admitsUser(named, user, password, gate)) return true;
    return hashed !== undefined && await hashed.admits(user, password, gate);
  };
  const ask = basicAuth({ realm, verifyUser, onAuthSuccess });
  return async (c, next) => {
    try {
      return await ask(c, next);
    } catch (error) {
      if (!(error instanceof TooManyChecksError)) throw error;
      return ownResponse(c.env, c.req.raw.headers.get("accept"), BUSY);
    }
  };
}

/** @throws {RangeError} for what is no hash */
function hashesOf(
  texts: Readonly<Record<string, string>>,
  fast: BcryptCheck | undefined,
): ReadonlyMap<string, PasswordHash> {
  return new Map(
    Object.entries(texts).map(([name, text]) => {
      const hash = readPasswordHash(text, fast);
      if (typeof hash === "string") {
        throw new RangeError(`Cannot use the hash of "${name}": ${hash}`);
      }
      return [name, hash];
    }),
  );
}

function onAuthSuccess({ env }: Context, username: string): void {
  const context = env as GatewayEnv["Bindings"];
  learnParameter(context, "AUTH_TYPE", "Basic");
  learnParameter(context, "REMOTE_USER", fromLatin1(utf8(username)));
}
