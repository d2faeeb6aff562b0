/** `RewriteCond` and `RewriteRule` as they stand in a section, read but not yet said of routes. */
import type { ApacheDirective } from "./parser.ts";

export interface RewriteCondition {
  readonly directive: ApacheDirective;
  readonly test: string;
  readonly pattern: string;
  readonly isNegative: boolean;
  readonly ignoreCase: boolean;
  /** Whether this one or the next is enough. */
  readonly isOr: boolean;
}

export interface RewriteRule {
  readonly directive: ApacheDirective;
  readonly conditions: readonly RewriteCondition[];
  readonly pattern: string;
  readonly isNegative: boolean;
  readonly to: string;
  /** By name in upper case; a flag without a value has an empty text. */
  readonly flags: ReadonlyMap<string, string>;
}

export interface RewriteRules {
  readonly isOn: boolean | undefined;
  readonly rules: readonly RewriteRule[];
  /** Of `RewriteBase`. */
  readonly base: string | undefined;
  readonly inherits: boolean;
}

const LONG: Readonly<Record<string, string>> = {
  LAST: "L",
  REDIRECT: "R",
  FORBIDDEN: "F",
  GONE: "G",
  NOCASE: "NC",
  QSAPPEND: "QSA",
  QSDISCARD: "QSD",
  NOESCAPE: "NE",
  PASSTHROUGH: "PT",
  PROXY: "P",
  SKIP: "S",
  CHAIN: "C",
  NEXT: "N",
  ENV: "E",
  COOKIE: "CO",
  TYPE: "T",
  HANDLER: "H",
  ORNEXT: "OR",
};

function flagsOf(text: string | undefined): ReadonlyMap<string, string> {
  const flags = new Map<string, string>();
  for (const part of (text ?? "").replace(/^\[|\]$/g, "").split(",")) {
    const [name = "", ...value] = part.trim().split("=");
    if (name === "") continue;
    const upper = name.toUpperCase();
    flags.set(LONG[upper] ?? upper, value.join("="));
  }
  return flags;
}

export function rewriteRulesOf(directives: readonly ApacheDirective[]): RewriteRules {
  let isOn: boolean | undefined;
  let base: string | undefined;
  let inherits = false;
  let conditions: RewriteCondition[] = [];
  const rules: RewriteRule[] = [];
  for (const directive of directives) {
    const { key, args } = directive;
    const [first = "", second = "", third] = args;
    if (key === "rewriteengine") isOn = first.toLowerCase() === "on";
    else if (key === "rewritebase") base = first.endsWith("/") ? first : `${first}/`;
    else if (key === "rewriteoptions") inherits ||= args.some((it) => /^inherit/i.test(it));
    else if (key === "rewritecond") {
      const flags = flagsOf(third);
      conditions.push({
        directive,
        test: first,
        pattern: second.replace(/^!/, ""),
        isNegative: second.startsWith("!"),
        ignoreCase: flags.has("NC"),
        isOr: flags.has("OR"),
      });
    } else if (key === "rewriterule") {
      rules.push({
        directive,
        conditions,
        pattern: first.replace(/^!/, ""),
        isNegative: first.startsWith("!"),
        to: second,
        flags: flagsOf(third),
      });
      conditions = [];
    }
  }
  return { isOn, rules, base, inherits };
}
