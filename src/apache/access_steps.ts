/** Access control of sections → steps: the last section that says something counts for its paths. */
import { type RouteValue, type Step, Unsayable } from "../import/chain.ts";
import { placeOf, textOf } from "../import/notes.ts";
import { type Access, anyOf, orderedBy, requiredBy } from "./access.ts";
import { type AuthSaid, authSaid, guarded } from "./guard.ts";
import { passes } from "../import/text_tests.ts";
import type { ApacheDirective } from "./parser.ts";
import type { Section } from "./sections.ts";
import type { ApacheState, VhostContext } from "./state.ts";

type Branch = Extract<Step<ApacheState>, { kind: "branch" }>["branches"][number];

/** What has no counterpart and keeps some out. */
const GUARDS =
  /^(?:sslrequire|authz\w+|authldap\w+|authform\w+|authdigest\w+|authdbd\w+|oidc\w+|mellon\w+|shib\w+|krb\w+|gssapi\w+|sec(?:ruleengine|rule|action|filter\w*)|modsecurity\w*|evasive\w*|dos\w+|qs_\w+|authjwt\w*|cas\w+|authcookie\w*|luahook\w*|luaauthzprovider|allowmethods|limitxmlrequestbody_none)$/;

export function accessSteps(
  plain: readonly Section[],
  context: VhostContext,
): readonly Step<ApacheState>[] {
  const indexes = plain.flatMap(({ directives }) =>
    directives.filter(({ key }) => key === "directoryindex").flatMap(({ args }) => args)
  );
  const sections = plain.map((section) =>
    withIndexes(section, indexes.length > 0 ? indexes : ["index.html"])
  );
  const required: Branch[] = [];
  const ordered: Branch[] = [];
  const others: Step<ApacheState>[] = [];
  let auth: AuthSaid = new Map();
  for (const section of sections) {
    if (isHiddenAnyway(section)) {
      const reason = "names that begin with a dot are never served";
      if (section.by !== undefined) context.notes.add("unneeded", section.by, reason);
      context.notes.take(...section.directives);
      continue;
    }
    auth = authSaid(auth, section.directives);
    const { directives } = section;
    const isAny = directives.some(({ key, args }) =>
      key === "satisfy" && /^any$/i.test(args[0] ?? "")
    );
    const rules = directives.filter(({ key }) =>
      /^(?:require\w*|order|allow|deny|satisfy|auth\w+)$/.test(key)
    );
    context.notes.take(...rules, ...rules.flatMap(({ block }) => block ?? []));
    const [one, other] = [requiredBy(directives), orderedBy(directives)];
    const joined = isAny && one !== undefined && other !== undefined
      ? anyOf([one, other], rules[0]!)
      : undefined;
    const said = [joined ?? one, joined === undefined ? other : undefined] as const;
    for (const [index, access] of said.entries()) {
      if (access === undefined) continue;
      (index === 0 ? required : ordered).unshift(branchOf(section, access, auth, context));
    }
    others.push(...guardSteps(section, context));
  }
  const groups = [required, ordered].filter((branches) => branches.length > 0);
  return [
    ...others,
    ...groups.map((branches): Step<ApacheState> => ({ kind: "branch", branches })),
  ];
}

/** Tells of a path whether a section that names files or locations keeps somebody out of it. */
export function guardOf(sections: readonly Section[]): (path: string) => boolean {
  const tests = sections.filter((section) => section.match.path !== undefined && keepsOut(section))
    .map(({ match }) => match.path!);
  return (path) => tests.some((all) => all.every((test) => passes(path, test) !== false));
}

function keepsOut({ directives }: Section): boolean {
  return [requiredBy(directives), orderedBy(directives)]
    .some((it) => it !== undefined && it.kind !== "open");
}

/** A section whose names of files are those of an index keeps its directory, too. */
function withIndexes(section: Section, indexes: readonly string[]): Section {
  const { match, isOfFiles } = section;
  const last = match.path?.at(-1);
  if (!isOfFiles || last === undefined || !keepsOut(section)) return section;
  if (!indexes.some((name) => passes(`/${name}`, last) !== false)) return section;
  const { source, ignoreCase, isNegative } = last;
  const wider = { source: `(?:${source}|/$)`, ignoreCase, isNegative };
  return { ...section, match: { ...match, path: [...match.path!.slice(0, -1), wider] } };
}

function isHiddenAnyway({ by, directives }: Section): boolean {
  const name = by !== undefined && /^files/.test(by.key) ? by.args.at(-1) : undefined;
  return name !== undefined &&
    /^(?:\^\\\.\(?\[?[Hh]{1,2}\]?[\w[\]]*\)?|\.ht\*?|\.user\.ini|\.htaccess)$/.test(name) &&
    directives.every(({ key }) => /^(?:require|order|allow|deny|satisfy)$/.test(key));
}

function branchOf(
  section: Section,
  access: Access,
  auth: AuthSaid,
  context: VhostContext,
): Branch {
  const { match, directives, by, isConditional } = section;
  const rule = directives.find(({ key }) => /^(?:require\w*|order|allow|deny)$/.test(key))!;
  const when = () => [match];
  const comment = `${placeOf(by ?? rule)}: ${textOf(by ?? rule)}`;
  if (isConditional) {
    return { when, steps: [refused(rule, "no route asks what <If> asks", comment)] };
  }
  if (access.kind === "open") return { when, steps: [] };
  if (access.kind === "closed") {
    return {
      when,
      steps: [{
        kind: "end",
        when: () => [{}],
        comment,
        routes: closed,
      }],
    };
  }
  return {
    when,
    steps: [{
      kind: "set",
      when: () => [{}],
      apply: (state) => guarded(state, access, auth, rule, context),
    }],
  };
}

/** What is refused has the headers of all. */
function closed({ keys: { headers } }: ApacheState): readonly RouteValue[] {
  return [{ ...(headers !== undefined && { headers }), respond: { status: 403 } }];
}

function refused(directive: ApacheDirective, reason: string, comment: string): Step<ApacheState> {
  return {
    kind: "end",
    when: () => [{}],
    comment,
    routes: () => {
      throw new Unsayable(directive, reason);
    },
  };
}

/** `SSLRequireSSL` is said by the scheme; what else guards is refused. */
function guardSteps(section: Section, { notes }: VhostContext): readonly Step<ApacheState>[] {
  const steps: Step<ApacheState>[] = [];
  for (const directive of section.directives) {
    const comment = `${placeOf(directive)}: ${textOf(directive)}`;
    const { match } = section;
    if (directive.key === "sslrequiressl") {
      notes.take(directive);
      steps.push({
        kind: "end",
        when: () => [{ ...match, scheme: "http" }],
        comment,
        routes: () => [{ respond: { status: 403 } }],
      });
    } else if (GUARDS.test(directive.key) && !/^(?:off|none)$/i.test(directive.args[0] ?? "")) {
      steps.push({
        kind: "branch",
        branches: [{
          when: () => [match],
          steps: [refused(directive, "it may guard something, and has no counterpart", comment)],
        }],
      });
    }
  }
  return steps;
}
