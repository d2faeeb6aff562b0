/** For which requests a directive is, as a step of the chain asks it. */
import { type Step, Unsayable, type When } from "../import/chain.ts";
import type { Directive } from "../import/directive.ts";
import { placeOf, textOf } from "../import/notes.ts";
import { type AddressTest, type Matcher, RewrittenPath } from "./matchers.ts";
import type { SiteState } from "./site_state.ts";

/** @throws {Unsayable} for a path that nobody knows before */
export function whenOf(matcher: Matcher, directive: Directive): When<SiteState> {
  return (state) => {
    try {
      return matcher.matches(state);
    } catch (error) {
      if (error instanceof RewrittenPath) throw new Unsayable(directive, error.message);
      throw error;
    }
  };
}

export function commentOf(directive: Directive): string {
  return `${placeOf(directive)}: ${textOf(directive)}`;
}

/** The state in which only these clients are let in; a test that is negative keeps them out. */
export function restricted(
  state: SiteState,
  { networks, isNegative }: AddressTest,
  directive: Directive,
): SiteState {
  const said = (state.keys["ip_restriction"] ?? {}) as Record<string, readonly string[]>;
  if (!isNegative && said["allow"] !== undefined) {
    throw new Unsayable(directive, "only one list of addresses can be let in");
  }
  const restriction = isNegative
    ? { ...said, deny: [...said["deny"] ?? [], ...networks] }
    : { ...said, allow: networks };
  return { ...state, keys: { ...state.keys, ip_restriction: restriction } };
}

/** What a matcher says of clients' addresses, for what comes behind it. */
export function lettingIn(
  { address }: Pick<Matcher, "address">,
  when: When<SiteState>,
  directive: Directive,
): Step<SiteState>[] {
  if (address === undefined) return [];
  return [{ kind: "set", when, apply: (state) => restricted(state, address, directive) }];
}
