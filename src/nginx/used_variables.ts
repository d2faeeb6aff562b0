/** Which of the variables that `set` makes anything looks at that we say. */
import { type Directive, flatten } from "./parser.ts";
import { variablesIn } from "./variables.ts";

/** What is left out anyway: caches, logs, limits. */
const IGNORED =
  /^(?:fastcgi|proxy)_(?:cache\w*|no_cache)$|^(?:access_log|log_format|limit_\w+|set|map|geo)$|^(?:fastcgi|proxy)_(?:store|temp_path)/;

export function usedVariables(server: Directive): (name: string) => boolean {
  const all = flatten(server.block ?? []);
  const used = new Set<string>();
  dropIdle(all, used);
  // What one is made of is looked at through it.
  for (let size = -1; size !== used.size;) {
    size = used.size;
    for (const directive of all) {
      if (directive.name !== "set") continue;
      if (used.has((directive.args[0] ?? "").replace(/^\$/, ""))) {
        for (const name of variablesIn(directive.args[1] ?? "")) used.add(name);
      }
    }
  }
  return (name) => used.has(name);
}

/** An `if` that only sets what nobody asks for looks at nothing that matters. */
function dropIdle(all: readonly Directive[], used: Set<string>): void {
  const conditions = all.filter(({ name }) => name === "if");
  const others = all.filter(({ name, args }) =>
    name !== "if" && !IGNORED.test(name) && args.join(" ") !== "PATH_INFO $path_info"
  );
  const outside = new Set(others.flatMap(({ args }) => args.flatMap(variablesIn)));
  const isIdle = ({ block = [] }: Directive): boolean =>
    block.every(({ name, args }) => name === "set" && !needed.has((args[0] ?? "").slice(1)));
  let needed = new Set([...outside]);
  for (let size = -1; size !== needed.size;) {
    size = needed.size;
    for (const condition of conditions) {
      if (isIdle(condition)) continue;
      needed = new Set([...needed, ...condition.args.flatMap(variablesIn)]);
    }
  }
  used.clear();
  for (const name of needed) used.add(name);
}
