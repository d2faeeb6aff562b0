/**
 * Servers of one name on different listeners. nginx chooses among them by the listener; here a host
 * has one site, that of the first of them, so what guards another one would be lost.
 */
import { mayGuard } from "./known_directives.ts";
import { textOf } from "../import/notes.ts";
import type { Directive } from "./parser.ts";
import { Scope } from "./scope.ts";

const GUARDS =
  /^(?:allow|deny|satisfy|auth_basic|auth_request|limit_except|internal|ssl_verify_client|secure_link\w*|valid_referers|dav_access)$/;

/** The guard of another server of the same host that this one does not have. */
export function guardedTwin(
  server: Directive,
  servers: readonly Directive[],
): Directive | undefined {
  const names = namesOf(server);
  const listens = listensOf(server);
  const own = new Set(guardsOf(server).map(({ text }) => text));
  for (const other of servers) {
    if (other === server || !namesOf(other).some((name) => names.includes(name))) continue;
    // On the same listener nginx itself has the first one alone.
    if (listensOf(other).every((listen) => listens.includes(listen))) continue;
    const missing = guardsOf(other).find(({ text }) => !own.has(text));
    if (missing !== undefined) return missing.directive;
  }
  return undefined;
}

function namesOf(server: Directive): readonly string[] {
  const names = new Scope(server.block ?? []).own("server_name").flatMap(({ args }) => args);
  return names.length === 0 ? [""] : names.map((name) => name.toLowerCase());
}

function listensOf(server: Directive): readonly string[] {
  const listens = new Scope(server.block ?? []).own("listen").map(({ args }) => args[0] ?? "");
  return (listens.length === 0 ? ["80"] : listens)
    .map((place) => place.replace(/^(?:\*|\[::\]|0\.0\.0\.0):/, ""));
}

interface Guard {
  /** With the locations that it stands in. */
  readonly text: string;
  readonly directive: Directive;
}

function guardsOf({ block = [] }: Directive, within = ""): Guard[] {
  return block.flatMap((directive) => {
    const text = `${within}${textOf(directive)}`;
    const inner = directive.block === undefined ? [] : guardsOf(directive, `${text} { `);
    return isGuard(directive, within) ? [{ text, directive }, ...inner] : inner;
  });
}

/** A server may refuse by itself what it does not send to HTTPS, which guards nothing. */
function isGuard(directive: Directive, within: string): boolean {
  const { name, args } = directive;
  if (name === "return") return within !== "" && /^4\d\d$/.test(args[0] ?? "");
  if (name === "auth_basic" || name === "auth_request") return args[0] !== "off";
  return GUARDS.test(name) || (directive.block === undefined && mayGuard(directive));
}
