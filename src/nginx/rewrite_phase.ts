/**
 * What a server or a location decides before it looks at files: `set`, `if`, `return`, `rewrite` and
 * `break`, in their order, as nginx runs them. It comes out as steps, each for a route that answers
 * or gives another path, and as the cases that are left: what holds of their requests, and the
 * values that variables have then.
 *
 * A variable that an `if` sets makes two cases of one. Variables that nothing of ours looks at are
 * left out, or every rule about a cache would double them.
 */
import { type FixedContent, readReturn, sendsElsewhere } from "./content_kinds.ts";
import { groupsOf, type Regex } from "./expressions.ts";
import { type FilePlace, readCondition } from "./if_condition.ts";
import type { Notes } from "../import/notes.ts";
import type { Directive } from "./parser.ts";
import { bothOf, type Conditions } from "./route_conditions.ts";
import { Scope } from "./scope.ts";
import { toTemplate, type VariableValues } from "./variables.ts";

/** Requests for which the same holds. */
export interface Case {
  readonly conditions: Conditions;
  readonly set: ReadonlyMap<string, string | undefined>;
  /** The block whose content they get, where an `if` has some. */
  readonly scope: Scope | undefined;
}

export type StepContent =
  | FixedContent
  | {
    readonly kind: "rewrite";
    readonly to: string;
    /** Whether the new path stays its location's. */
    readonly isBreak: boolean;
    /** Whether the rules behind it are asked with the new path. */
    readonly goesOn: boolean;
  };

export interface Step {
  readonly directive: Directive;
  readonly conditions: Conditions;
  /** What the path has to match beside the location's. */
  readonly path: Regex | undefined;
  readonly content: StepContent;
}

export interface Phase {
  readonly steps: readonly Step[];
  /** None where a step takes every request. */
  readonly cases: readonly Case[];
}

export interface PhaseParts {
  readonly notes: Notes;
  readonly values: VariableValues;
  readonly place: FilePlace;
  readonly isUsed: (variable: string) => boolean;
  /** The block that the directives stand in. */
  readonly scope: Scope;
}

const CASES_MAX = 16;
const OF_PHASE: ReadonlySet<string> = new Set(["set", "if", "return", "rewrite", "break"]);

export function runPhase(
  directives: readonly Directive[],
  cases: readonly Case[],
  parts: PhaseParts,
): Phase {
  const run = new PhaseRun(cases, parts);
  for (const directive of directives) {
    if (OF_PHASE.has(directive.name)) run.take(directive);
  }
  return run;
}

class PhaseRun implements Phase {
  readonly steps: Step[] = [];
  /** For which nothing more is looked at. */
  readonly #done: Case[] = [];
  #cases: readonly Case[];
  readonly #parts: PhaseParts;

  constructor(cases: readonly Case[], parts: PhaseParts) {
    this.#cases = cases;
    this.#parts = parts;
  }

  get cases(): readonly Case[] {
    return [...this.#done, ...this.#cases];
  }

  take(directive: Directive): void {
    const { notes } = this.#parts;
    notes.take(directive);
    if (this.#cases.length === 0) return;
    switch (directive.name) {
      case "set":
        this.#cases = this.#cases.map((one) => this.#set(directive, one));
        return;
      case "break":
        this.#done.push(...this.#cases);
        this.#cases = [];
        return;
      case "if":
        this.#cases = this.#cases.flatMap((one) => this.#branch(directive, one));
        return;
      default:
        this.#cases = this.#cases.filter((one) => !this.#end(directive, one, undefined));
    }
  }

  #valuesIn({ set }: Case, path: Regex | undefined): VariableValues {
    const { values } = this.#parts;
    if (path === undefined) return { ...values, set };
    const groups = groupsOf(path);
    const hasGroup = (name: string) =>
      groups !== undefined && (groups.names.includes(name) ||
        (/^[1-9]$/.test(name) && Number(name) <= groups.count));
    // Another path has no groups of the location's own expression.
    return { ...values, set, captured: undefined, hasGroup };
  }

  #set({ args: [name = "", text = ""] }: Directive, one: Case): Case {
    const variable = name.replace(/^\$/, "");
    if (!this.#parts.isUsed(variable)) return one;
    const value = toTemplate(text, this.#valuesIn(one, undefined));
    return { ...one, set: new Map([...one.set, [variable, value]]) };
  }

  /** The cases in which it goes on. */
  #branch(directive: Directive, one: Case): Case[] {
    const { notes, values, place } = this.#parts;
    const block = directive.block ?? [];
    const effective = block.filter((it) => !this.#isIdle(it));
    if (effective.length === 0) {
      notes.take(...block);
      if (block.length > 0) notes.add("unneeded", directive, "nothing asks for what it sets");
      return [one];
    }
    const condition = readCondition(directive, { ...values, set: one.set }, place);
    if (condition === undefined) return this.#refuse(directive, one);
    if (condition.kind === "known") {
      if (condition.holds) return this.#runBlock(directive, one, undefined);
      notes.take(...block);
      return [one];
    }
    const yes = bothOf(one.conditions, condition.yes);
    const no = bothOf(one.conditions, condition.no);
    if (yes === undefined || no === undefined) return this.#refuse(directive, one);
    if (yes === "never") return [one];
    const others = no === "never" ? [] : [{ ...one, conditions: no }];
    const inside = { ...one, conditions: yes };
    const goesOn = this.#runBlock(directive, inside, condition.path);
    // What has its response is no longer there: its route stands before all that follow.
    if (goesOn.length === 0 && this.#done.every((it) => it.conditions !== yes)) return [one];
    if (goesOn.length === 1 && goesOn[0]!.set === one.set && goesOn[0]!.scope === one.scope) {
      return [one];
    }
    if (this.#cases.length + goesOn.length + others.length > CASES_MAX) {
      return this.#refuse(directive, one);
    }
    return [...goesOn, ...others];
  }

  /** Sets what nobody asks for. */
  #isIdle({ name, args }: Directive): boolean {
    return name === "set" && !this.#parts.isUsed((args[0] ?? "").replace(/^\$/, ""));
  }

  #runBlock(directive: Directive, start: Case, path: Regex | undefined): Case[] {
    const { notes, scope } = this.#parts;
    const block = directive.block ?? [];
    const hasContent = block.some(({ name }) => !OF_PHASE.has(name));
    let one = hasContent ? { ...start, scope: new Scope(block, start.scope ?? scope) } : start;
    for (const inner of block) {
      if (!OF_PHASE.has(inner.name)) continue;
      notes.take(inner);
      if (inner.name === "set") one = this.#set(inner, one);
      else if (inner.name === "break") {
        this.#done.push(one);
        return [];
      } else if (inner.name === "if") return this.#refuse(inner, one);
      else if (this.#end(inner, one, path)) return [];
    }
    return [one];
  }

  /** What cannot be said closes what it would decide about. */
  #refuse(directive: Directive, { conditions }: Case): Case[] {
    this.#parts.notes.take(...directive.block ?? []);
    this.steps.push({
      directive,
      conditions,
      path: undefined,
      content: { kind: "refused", directive, reason: "it depends on what no route looks at" },
    });
    return [];
  }

  /** Whether a `return` or a `rewrite` takes every request of the case. */
  #end(directive: Directive, one: Case, asked: Regex | undefined): boolean {
    const { conditions } = one;
    if (directive.name === "return") {
      const values = this.#valuesIn(one, asked);
      const content = readReturn(directive, values, this.#parts.notes);
      this.steps.push({ directive, conditions, path: asked, content });
      return true;
    }
    const [source = "", to = ""] = directive.args;
    const isAll = /^(?:\^|\.\*|\^\.\*\$?|\^\(\.\*\)\$?|\(\.\*\))$/.test(source);
    if (asked !== undefined && !isAll) {
      this.#refuse(directive, one);
      return true;
    }
    const path = isAll ? asked : { source, anyCase: false };
    const captured = isAll && source.includes("(") ? "${request.path}" : undefined;
    const values = { ...this.#valuesIn(one, path), ...(captured && { captured }) };
    const content = readRewrite(directive, values);
    const hasQuery = content.kind === "redirect" && !to.endsWith("?");
    const step = { directive, conditions, content, path };
    this.steps.push(...(hasQuery ? withQuery(step, content) : [step]));
    return isAll;
  }
}

type Redirect = Extract<StepContent, { kind: "redirect" }>;

/** A rewrite that redirects keeps the client's query, behind that of its own. */
function withQuery(step: Step, content: Redirect): Step[] {
  const sign = content.to.includes("?") ? "&" : "?";
  const full = { ...step, content: { ...content, to: `${content.to}${sign}\${request.query}` } };
  const bare = bothOf(step.conditions, { when: { "${request.query}": "" } });
  return bare === "never" || bare === undefined ? [full] : [{ ...step, conditions: bare }, full];
}

function readRewrite(directive: Directive, values: VariableValues): StepContent {
  const [, written = "", flag = ""] = directive.args;
  const refused = (reason: string): StepContent => ({ kind: "refused", directive, reason });
  const template = toTemplate(written, values);
  if (template === undefined) return refused("a variable in it has no counterpart");
  const isUrl = /^(?:https?:\/\/|\$\{request\.scheme\}:\/\/)/.test(template);
  if (isUrl || flag === "redirect" || flag === "permanent") {
    const to = template.replace(/\?$/, "");
    const status = flag === "permanent" ? 301 : 302;
    return sendsElsewhere(to, status) ?? refused("where it leads cannot be said");
  }
  const to = template.startsWith("/") || template.startsWith("${") ? template : `/${template}`;
  if (/[\0\r\n#]/.test(to)) return refused("its path cannot be said");
  return { kind: "rewrite", to, isBreak: flag === "break", goesOn: flag === "" };
}
