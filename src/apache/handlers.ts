/** `SetHandler` and what turns scripts off → what runs the scripts of which paths. */
import type { Step } from "../import/chain.ts";
import { placeOf, textOf } from "../import/notes.ts";
import type { TextTest } from "../import/text_tests.ts";
import { Unsayable } from "../import/chain.ts";
import { backendOf, upstreamOf } from "./backend.ts";
import { programsHandler, programTest } from "./file_routes.ts";
import type { ApacheDirective } from "./parser.ts";
import type { Section } from "./sections.ts";
import type { ApacheState, ScriptHandler, VhostContext } from "./state.ts";

type Branch = Extract<Step<ApacheState>, { kind: "branch" }>["branches"][number];

/** Steps that tell which scripts run; of several sections the last one counts. */
export function handlerSteps(
  sections: readonly Section[],
  context: VhostContext,
): readonly Step<ApacheState>[] {
  const branches: Branch[] = [];
  for (const section of sections) {
    for (const directive of section.directives) {
      const branch = handlerBranch(directive, section, context);
      if (branch !== undefined) branches.unshift(branch);
    }
  }
  return branches.length > 0 ? [{ kind: "branch", branches }] : [];
}

const ENDINGS = [
  ".php",
  ".phar",
  ".phtml",
  ".php3",
  ".php5",
  ".php7",
  ".php8",
  ".inc",
  ".cgi",
  ".pl",
  ".py",
];

function handlerBranch(
  directive: ApacheDirective,
  section: Section,
  context: VhostContext,
): Branch | undefined {
  const [value = "", ...args] = directive.args;
  const { notes } = context;
  switch (directive.key) {
    case "sethandler": {
      notes.take(directive);
      const { tests, endings } = endingsOf(section);
      const { path: _all, ...others } = section.match;
      const match = { ...others, ...withPath(tests) };
      if (/^proxy:/i.test(value)) {
        return proxyBranch(
          directive,
          value.slice("proxy:".length),
          match,
          endings,
          section,
          context,
        );
      }
      if (/^(?:none|default-handler|text\/|application\/(?!x-httpd))/i.test(value)) {
        return { when: () => [match], steps: [scripts(undefined)] };
      }
      if (/server-status|server-info|ldap-status|balancer-manager/i.test(value)) {
        notes.add("refused", directive, "afcgi has pages of its own for that (admin)");
        return { when: () => [match], steps: refusal(directive) };
      }
      notes.add("lost", directive, "it has no counterpart, so its scripts do not run");
      return { when: () => [match], steps: [scripts(undefined)] };
    }
    case "php_flag":
    case "php_admin_flag":
      if (value !== "engine" || !/^(?:off|0)$/i.test(args[0] ?? "")) return undefined;
      notes.take(directive);
      return { when: () => [section.match], steps: [scripts(undefined)] };
    case "removehandler":
    case "removetype":
      if (!directive.args.some((it) => /php/i.test(it))) return undefined;
      notes.take(directive);
      return { when: () => [section.match], steps: [scripts(undefined)] };
  }
  return undefined;
}

function scripts(handler: ScriptHandler | undefined): Step<ApacheState> {
  return { kind: "set", when: () => [{}], apply: (state) => ({ ...state, scripts: handler }) };
}

function refusal(directive: ApacheDirective): readonly Step<ApacheState>[] {
  return [{
    kind: "end",
    when: () => [{}],
    comment: `${placeOf(directive)}: ${textOf(directive)}`,
    routes: ({ keys }) => [{ ...keys, respond: { status: 403 } }],
  }];
}

function withPath(tests: readonly TextTest[]): { readonly path?: readonly TextTest[] } {
  return tests.length > 0 ? { path: tests } : {};
}

/** Endings of the scripts that a section's names of files are for, and what else it asks of paths. */
function endingsOf(
  { match, isOfFiles }: Section,
): { readonly tests: readonly TextTest[]; readonly endings: readonly string[] | undefined } {
  const tests = match.path ?? [];
  if (!isOfFiles) return { tests, endings: undefined };
  const last = tests.at(-1);
  const fits = (ending: string) => {
    try {
      return last !== undefined &&
        new RegExp(last.source, last.ignoreCase ? "i" : "").test(`/x${ending}`);
    } catch {
      return ending === ".php";
    }
  };
  const endings = ENDINGS.filter(fits);
  // One name among all is no ending.
  return endings.length === 0 || endings.length === ENDINGS.length
    ? { tests, endings: undefined }
    : { tests: tests.slice(0, -1), endings };
}

function proxyBranch(
  directive: ApacheDirective,
  address: string,
  match: Section["match"],
  endings: readonly string[] | undefined,
  { by }: Section,
  context: VhostContext,
): Branch {
  const backend = backendOf(address);
  if (backend === undefined || backend.protocol !== "fcgi") {
    const steps: readonly Step<ApacheState>[] = [{
      kind: "end",
      when: () => [{}],
      comment: `${placeOf(directive)}: ${textOf(directive)}`,
      routes: () => {
        throw new Unsayable(directive, `"${address}" runs no scripts that a route can name`);
      },
    }];
    return { when: () => [match], steps };
  }
  const upstream = upstreamOf(backend, directive, context);
  const isPhp = endings !== undefined || /php/i.test(address) || by === undefined;
  const directory = backend.path.replace(/\/$/, "");
  const handler: ScriptHandler = {
    upstream,
    endings: endings ?? [".php"],
    applicationRoot: directory === "" || directory === context.siteRoot ? undefined : directory,
  };
  if (isPhp) return { when: () => [match], steps: [scripts(handler)] };
  return {
    when: ({ space: { url } }) => [{ ...match, path: [...match.path ?? [], programTest(url)] }],
    steps: [{
      kind: "end",
      when: () => [{}],
      comment: `${placeOf(directive)}: ${textOf(directive)}`,
      routes: ({ space, params, keys }) => [
        { ...keys, fastcgi: programsHandler(upstream, space.url, space.directory, params) },
      ],
    }],
  };
}
