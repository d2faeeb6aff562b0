/**
 * `${env.NAME}` in a text of the configuration stands for the environment variable's value;
 * `$${env.NAME}` stands for `${env.NAME}` itself. What comes in is not read again, so a value cannot
 * pull in another variable. Some texts are templates of requests (`http/request_template.ts`), with
 * references and an escape of their own: in these, what comes in is escaped, and `$${` is left to the
 * template.
 */

export type ReadVariable = (name: string) => string | undefined;

/** Keys below which texts are templates of requests. */
export const TEMPLATE_KEYS: ReadonlySet<string> = new Set([
  "params",
  "headers",
  "redirect",
  "rewrite",
  "map",
  "exists",
]);

const REFERENCE = /(\$?)\$\{env\.([^}]*)\}/g;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The text with its references replaced, and a message for each one that cannot be. */
export function expandVariables(
  text: string,
  readVariable: ReadVariable,
  isTemplate = false,
  onValue: (value: string, reference: string) => void = () => {},
): { text: string; errors: string[] } {
  const errors: string[] = [];
  const expanded = text.replace(REFERENCE, (reference: string, escape: string, name: string) => {
    if (escape !== "") return isTemplate ? reference : reference.slice(1);
    const value = NAME.test(name) ? readVariable(name) : undefined;
    if (value !== undefined) onValue(value, reference);
    if (value !== undefined) return isTemplate ? value.replaceAll("${", () => "$${") : value;
    errors.push(
      NAME.test(name)
        ? `Environment variable "${name}" is not set (set it, or take "${reference}" out)`
        : `"${name}" cannot be an environment variable's name (use letters, digits and "_")`,
    );
    return "";
  });
  return { text: expanded, errors };
}
