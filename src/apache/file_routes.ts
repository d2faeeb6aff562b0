/** What there is in a space: scripts, directories with their index, files; else a front controller. */
import type { RouteValue } from "../import/chain.ts";
import { literal, type TextTest } from "../import/text_tests.ts";
import type { ApacheState, VhostContext } from "./state.ts";

/** Keys of a handler of files: its root, and the URL that is no directory below it. */
function spaceKeys({ space, keys }: ApacheState, { siteRoot }: VhostContext): RouteValue {
  return {
    ...(space.directory !== siteRoot && { root: space.directory }),
    ...(space.url !== "" && { strip_prefix: space.url }),
    ...keys,
  };
}

/** Scripts by what is tried; a script of these is a path of a URL. */
export function scriptRoutes(
  state: ApacheState,
  tries: readonly string[],
  context: VhostContext,
): readonly RouteValue[] {
  const { scripts, space, params, index } = state;
  const { siteRoot } = context;
  if (scripts === undefined) return [{ ...state.keys, respond: { status: 403 } }];
  if (tries.some((text) => text.startsWith("${path}") && state.isGuarded("/x.php"))) {
    return [{ ...state.keys, respond: { status: 403 } }];
  }
  const named = tries.map((text) =>
    text.startsWith("/") && space.url !== "" && text.startsWith(`${space.url}/`)
      ? text.slice(space.url.length)
      : text
  );
  const outside = named.find((text) =>
    text.startsWith("/") && space.url !== "" && tries.includes(text)
  );
  // What others may not ask for themselves meets all rules again.
  const guarded = tries.find((text) => text.startsWith("/") && state.isGuarded(text));
  const again = outside ?? guarded;
  if (again !== undefined) {
    const others = tries.filter((text) => text !== again);
    const before = others.length > 0 ? scriptRoutes(state, others, context) : [];
    return [...before, { ...state.keys, rewrite: again }];
  }
  const endings = scripts.endings ?? [];
  const indexes = index.filter((name) => endings.some((ending) => name.endsWith(ending)));
  const hasFolder = named.includes("folder");
  const own = {
    // Apache's is that of the site, wherever a script lies.
    ...(space.directory !== siteRoot && siteRoot !== undefined && { DOCUMENT_ROOT: siteRoot }),
    // It tells an application no password that it has asked for itself.
    ...(state.keys["basic_auth"] !== undefined && { HTTP_AUTHORIZATION: null }),
    ...params,
  };
  return [{
    ...spaceKeys(state, context),
    php: {
      upstream: scripts.upstream,
      ...(hasFolder && indexes.join() !== "index.php" && { index: indexes }),
      ...(endings.join() !== ".php" && { split_path: endings }),
      try: named,
      ...(scripts.applicationRoot !== undefined && { application_root: scripts.applicationRoot }),
      ...(Object.keys(own).length > 0 && { params: own }),
    },
  }];
}

/** The end of the way through a virtual host. */
export function fileRoutes(state: ApacheState, context: VhostContext): readonly RouteValue[] {
  const { existence, scripts, fallback, index, keys } = state;
  const nothing: RouteValue = { ...keys, respond: { status: 404 } };
  const isScript = (name: string) =>
    scripts?.endings?.some((ending) => name.endsWith(ending)) ?? false;
  if (existence === "missing") {
    if (fallback === undefined) return [nothing];
    return isScript(fallback)
      ? scriptRoutes(state, [fallback], context)
      : [{ ...keys, rewrite: fallback }, nothing];
  }
  const plainIndex = index.filter((name) => !isScript(name) && !name.includes("/"));
  const files: RouteValue = {
    ...spaceKeys(state, context),
    static: {
      index: plainIndex,
      ...(state.listing && { listing: true }),
      ...(Object.keys(state.cacheControl).length > 0 && { cache_control: state.cacheControl }),
    },
  };
  const hasFallback = existence === "any" && fallback !== undefined;
  const tries = [
    ...["script", "file"],
    ...(existence === "any" || state.countsDirectories ? ["folder"] : []),
    ...(hasFallback && isScript(fallback) ? [fallback] : []),
  ];
  const run = scripts === undefined ? [] : scriptRoutes(state, tries, context);
  // What comes first in DirectoryIndex is looked for first.
  const isPlainFirst = index.length > 0 && !isScript(index[0]!) && plainIndex.length > 0 &&
    !hasFallback;
  const both = isPlainFirst ? [files, ...run] : [...run, files];
  if (existence === "there") return both;
  if (hasFallback && !isScript(fallback)) return [...both, { ...keys, rewrite: fallback }, nothing];
  return [...both, nothing];
}

/** Paths of programs, each by the first name below a URL; what is behind it is PATH_INFO. */
export function programTest(url: string): TextTest {
  const source = `^${literal(url.replace(/\/$/, ""))}/([^/]+)(/.*)?$`;
  return { source, ignoreCase: false, isNegative: false, captures: true, prefix: url };
}

/** Programs of a directory, as fcgiwrap runs them (cgit, git-http-backend). */
export function programsHandler(
  upstream: string,
  url: string,
  directory: string,
  params: ApacheState["params"],
): RouteValue {
  return {
    upstream,
    params: {
      SCRIPT_FILENAME: `${directory}/\${path.1}`,
      SCRIPT_NAME: `${url}/\${path.1}`,
      PATH_INFO: "${path.2}",
      ...params,
    },
  };
}
