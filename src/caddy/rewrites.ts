/** `rewrite`, `uri` and `try_files`: another path for what follows. */
import { type Step, Unsayable } from "../import/chain.ts";
import type { Directive } from "../import/directive.ts";
import { literal } from "../import/text_tests.ts";
import { matcherOf } from "./matchers.ts";
import type { DirectiveReader } from "./middleware.ts";
import { toTemplate } from "./placeholders.ts";
import type { SiteContext, SiteState } from "./site_state.ts";
import { whenOf } from "./when.ts";

export const rewrite: DirectiveReader = (directive, context) => {
  const { matcher, args } = matcherOf(directive, context);
  const [to = ""] = args;
  context.notes.take(directive);
  if (matcher.address !== undefined) {
    throw new Unsayable(directive, "no rewrite depends on a client's address");
  }
  const { file } = matcher;
  if (file !== undefined) {
    const tries = file.isNegative ? [...file.tries, to] : file.tries;
    return [{
      kind: "set",
      when: whenOf(matcher, directive),
      apply: (state) => withTries(state, tries, directive, context),
    }];
  }
  return [{
    kind: "set",
    when: whenOf(matcher, directive),
    apply: (state) => ({ ...state, rewrite: rewritten(to, state, directive, context) }),
  }];
};

/** The new path with its query. @throws {Unsayable} */
function rewritten(
  to: string,
  state: SiteState,
  directive: Directive,
  context: SiteContext,
): string {
  if (to.startsWith("?")) {
    if (state.rewrite?.includes("?")) throw new Unsayable(directive, "a query is rewritten once");
    return (state.rewrite ?? pathTemplate(state, directive)) +
      queryOf(to.slice(1), directive, context);
  }
  const [path = "", ...query] = to.split("?");
  const usesPath = /\{(?:path|uri|http\.request\.uri[\w.]*)\}/.test(path);
  if (usesPath && (state.rewrite !== undefined || state.prefix !== "")) {
    throw new Unsayable(directive, "the path has been changed before");
  }
  const named = path.startsWith("/") || path.startsWith("{") ? path : `/${path}`;
  // Our path has no query, and a rewrite leaves the client's.
  const said = toTemplate(named.replaceAll("{uri}", "{path}"), directive, context);
  return said + (to.includes("?") ? queryOf(query.join("?"), directive, context) : "");
}

function pathTemplate({ prefix }: SiteState, directive: Directive): string {
  if (prefix !== "") throw new Unsayable(directive, "the path has been changed before");
  return "${request.path}";
}

/** Our rewrite puts the client's query behind its own; a "?" at the end leaves that out. */
export function queryOf(query: string, directive: Directive, context: SiteContext): string {
  const parts = query.split("&").filter((part) => part !== "");
  const own = parts.filter((part) => !/^\{(?:http\.request\.uri\.)?query\}$/.test(part));
  const said = toTemplate(own.join("&"), directive, context);
  const keeps = own.length < parts.length;
  if (said === "" && keeps) return "";
  return `?${said}${keeps ? "" : "?"}`.replace(/^\?\?$/, "?");
}

export const uri: DirectiveReader = (directive, context) => {
  const { matcher, args } = matcherOf(directive, context);
  const [operation = "", value = ""] = args;
  context.notes.take(directive);
  const when = whenOf(matcher, directive);
  if (operation === "strip_prefix" && !value.includes("{")) {
    const prefix = value.startsWith("/") ? value : `/${value}`;
    return [{ kind: "branch", branches: [{ when, steps: stripSteps(prefix.replace(/\/$/, "")) }] }];
  }
  if (operation === "strip_suffix" && !value.includes("{")) {
    return [{
      kind: "branch",
      branches: [{
        when: (state) => {
          if (state.rewrite !== undefined || state.prefix !== "") {
            throw new Unsayable(directive, "the path has been changed before");
          }
          const source = `^(.*)${literal(value)}$`;
          return [{ path: [{ source, ignoreCase: false, isNegative: false, captures: true }] }];
        },
        steps: [{
          kind: "set",
          when: always,
          apply: (state) => ({ ...state, rewrite: "${path.1}" }),
        }],
      }],
    }];
  }
  return [{
    kind: "set",
    when,
    apply: () => {
      throw new Unsayable(directive, `"uri ${operation}" has no counterpart`);
    },
  }];
};

const always = () => [{}];

/** Takes a prefix off the paths that have it. */
export function stripSteps(prefix: string): readonly Step<SiteState>[] {
  if (prefix === "") return [];
  return [{
    kind: "set",
    when: ({ prefix: before, rewrite }) => {
      if (rewrite !== undefined) return [];
      const whole = before + prefix;
      const source = `^${literal(whole)}/`;
      return [{ path: [{ source, ignoreCase: false, isNegative: false, prefix: `${whole}/` }] }];
    },
    apply: (state) => ({ ...state, prefix: state.prefix + prefix }),
  }];
}

export const tryFiles: DirectiveReader = (directive, context) => {
  const lines = directive.block ?? [];
  for (const line of lines) context.notes.add("lost", line, "the first of them is taken");
  context.notes.take(directive);
  return [{
    kind: "set",
    when: always,
    apply: (state) => withTries(state, directive.args, directive, context),
  }];
};

function withTries(
  state: SiteState,
  tries: readonly string[],
  directive: Directive,
  context: SiteContext,
): SiteState {
  if (state.rewrite !== undefined) {
    throw new Unsayable(directive, "the path has been changed before");
  }
  return { ...state, tries: tries.map((text) => candidateOf(text, directive, context)) };
}

/** In words of `try`, `=404`, `+.html` for an ending of the path, or a path with its query. */
function candidateOf(text: string, directive: Directive, context: SiteContext): string {
  const [path = "", ...query] = text.split("?");
  const rest = text.includes("?") ? queryOf(query.join("?"), directive, context) : "";
  const behind = /^\{(?:http\.request\.uri\.)?path\}(.*)$/.exec(path)?.[1];
  if (/^=\d{3}$/.test(text)) return text;
  if (behind === "") return "file";
  if (behind === "/") return "folder";
  if (behind !== undefined) return `+${behind}`;
  const said = toTemplate(path, directive, context);
  if (said.includes("${")) throw new Unsayable(directive, `"${text}" is not tried`);
  return (said.startsWith("/") ? said : `/${said}`) + rest;
}
