/**
 * `${env.NAME}` in a text of the configuration stands for the environment variable's value;
 * `$${env.NAME}` stands for `${env.NAME}` itself. What comes in is not read again, so a value cannot
 * pull in another variable.
 */

export type ReadVariable = (name: string) => string | undefined;

const REFERENCE = /(\$?)\$\{env\.([^}]*)\}/g;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The text with its references replaced, and a message for each one that cannot be. */
export function expandVariables(
  text: string,
  readVariable: ReadVariable,
): { text: string; faults: string[] } {
  const faults: string[] = [];
  const expanded = text.replace(REFERENCE, (reference: string, escape: string, name: string) => {
    if (escape !== "") return reference.slice(1);
    const value = NAME.test(name) ? readVariable(name) : undefined;
    if (value !== undefined) return value;
    faults.push(
      NAME.test(name)
        ? `Environment variable "${name}" is not set (set it, or take "${reference}" out)`
        : `"${name}" cannot be an environment variable's name (use letters, digits and "_")`,
    );
    return "";
  });
  return { text: expanded, faults };
}
