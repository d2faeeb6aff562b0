/** The schema of `try`: what a `php` route tries for a path, one after the other. */
import * as v from "valibot";
import { PATH_MARK, scriptEndings } from "../http/php_attempts.ts";
import { anyOf } from "./nearest.ts";
import { list, textLike } from "./schema_parts.ts";

const REMEDY =
  'use script, file, folder, a script such as "/index.php" or "${path}.php", or "=404"';
const WORD = String.raw`script|file|folder|=[45]\d\d`;
const FIXED = String.raw`(?:\/[^/\0$]+)+`;
const ASKED = String.raw`(?:\/[^/\0$]+)*\$\{path\}[^\0$]*`;

export const triesSchema = () =>
  list(
    textLike(new RegExp(`^(?:${WORD}|${FIXED}|${ASKED})$`), REMEDY),
    'use a list such as [script, file, folder, "/index.php"]',
  );

/** What a `php` handler says of its tries and beside them. */
interface TryConfig {
  readonly try?: readonly string[] | undefined;
  readonly front_controller?: string | undefined;
  readonly split_path: readonly string[];
}

/** That each attempt can be reached, and that none would run a file that is no script. */
export function triesCheck<Config extends TryConfig>() {
  return v.rawCheck<Config>(({ dataset, addIssue }) => {
    if (!dataset.typed || dataset.value.try === undefined) return;
    const { try: attempts, front_controller, split_path } = dataset.value;
    if (front_controller !== undefined) {
      const message = "try and front_controller both say what comes last (name it in try alone)";
      addIssue({ message });
    }
    const endings = scriptEndings(split_path).texts;
    for (const [index, attempt] of attempts.entries()) {
      if (attempt.startsWith("=") && index < attempts.length - 1) {
        addIssue({ message: `Nothing behind "${attempt}" is ever tried (put it last)` });
      }
      if (attempts.indexOf(attempt) < index) {
        addIssue({ message: `"${attempt}" is tried twice (keep the first)` });
      }
      if (!attempt.includes(PATH_MARK) || endings.some((text) => attempt.endsWith(text))) continue;
      const remedy = `end it with ${anyOf(endings)}; script and file stand for the path itself`;
      addIssue({ message: `"${attempt}" could run a file that is no script (${remedy})` });
    }
  });
}
