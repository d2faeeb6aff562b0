// Which test files are run by one process, and what may run beside that: a directory after the
// other, long ones in parts. What is named nowhere here is `real`, which is right for every test that
// neither expects anything within a time nor keeps to memory.

/** Directories of worlds in memory, and of what is computed: `memory` in pool.mjs. */
const IN_MEMORY = [
  ...["acme", "apache", "caddy", "cgi", "compression", "config", "failing", "fuzz", "http1"],
  ...["http2", "http_client", "nginx", "observe", "pages", "passwords", "php", "protocol"],
  ...["routing", "shared", "simulation", "spawn", "static", "time_limits", "upstream"],
];

/** Directories that have the processors for themselves, but for one: `timed`. */
const TIMED = ["e2e", "examples", "fault", "kill", "leak", "reload", "runtime", "threads"];

/** Single files that are unlike the rest of their directory. */
const FILES = {
  // What the neighbours of a thread that spins are given in time, with as many threads as processors.
  "tests/fault/thread_death.test.ts": "alone",
  // What memory is held depends on when garbage is collected, which takes a processor of its own.
  "tests/leak/responder.test.ts": "alone",
  // A request takes at most half a second.
  "tests/interop/php_fpm_connections.test.ts": "timed",
  "tests/http/application_manners.test.ts": "timed",
  "tests/http/late_handlers.test.ts": "timed",
  // A thousand clients at once, and all are cut in time.
  "tests/attack/tls_handshakes.test.ts": "timed",
};

/** How many processes share the files of a directory, where one would take minutes. */
const PARTS = { interop: 6, apps: 3, http: 2, attack: 2 };

/** All that is named above, from the root. */
export const NAMED = [
  ...[...IN_MEMORY, ...TIMED, ...Object.keys(PARTS)].map((name) => `tests/${name}`),
  ...Object.keys(FILES),
];

/** `tests/http` of `tests/http/host.test.ts`; `tests` of what lies in no directory. */
function directoryOf(file) {
  return file.split("/").slice(0, -1).slice(0, 2).join("/");
}

function kindOf(file) {
  const name = directoryOf(file).split("/")[1] ?? "";
  if (Object.hasOwn(FILES, file)) return FILES[file];
  if (IN_MEMORY.includes(name)) return "memory";
  return TIMED.includes(name) ? "timed" : "real";
}

/**
 * Groups of files, each for one process: `{ kind, name, files }`.
 *
 * @param {readonly string[]} files from the root, as `tests/http/host.test.ts`
 */
export function groupsOf(files) {
  const groups = new Map();
  for (const file of files) {
    const key = `${directoryOf(file)} ${kindOf(file)}`;
    groups.set(key, [...groups.get(key) ?? [], file]);
  }
  return [...groups].flatMap(([key, group]) => {
    const [directory, kind] = key.split(" ");
    return inParts(group, PARTS[directory.split("/")[1] ?? ""] ?? 1)
      .map((part) => ({ kind, name: nameOf(directory, part, files), files: part }));
  });
}

/** Every so-manieth file each, so that what is long and has like names is shared out. */
function inParts(files, count) {
  const parts = Array.from({ length: Math.min(count, files.length) }, () => []);
  for (const [index, file] of files.entries()) parts[index % parts.length].push(file);
  return parts;
}

/** The directory, where that is all of it; else which file, or how many. */
function nameOf(directory, part, files) {
  if (part.length === files.filter((file) => directoryOf(file) === directory).length) {
    return directory;
  }
  const more = part.length > 1 ? ` and ${part.length - 1} more` : "";
  return `${part[0]}${more}`;
}
