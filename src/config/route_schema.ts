/** The schema of one route: what it matches, and the handler that answers. */
import * as v from "valibot";
import { PHP_ENDINGS } from "../http/options.ts";
import { compileLocation } from "../http/redirect_location.ts";
import { TemplateError } from "../http/request_template.ts";
import { compressionSchema } from "./compression_schema.ts";
import { responseEntries } from "./response_schema.ts";
import { conditionEntries } from "./condition_schema.ts";
import { PATTERN_REMEDY } from "../routing/route_pattern.ts";
import { exchangeEntries } from "./exchange_schema.ts";
import { PATH_FORMS, pathPattern } from "./path_schema.ts";
import { bodyEntries } from "./body_schema.ts";
import { paramsSchema, templateCheck } from "./params_schema.ts";
import { forwardAuthSchema, proxySchema } from "./proxy_route_schema.ts";
import { remembered } from "./quick_section.ts";
import {
  asYaml,
  described,
  filePath,
  flag,
  list,
  methods,
  optional,
  refuse,
  section,
  TEXT_REMEDY,
  textLike,
  wholeNumber,
} from "./schema_parts.ts";
import { indexNames, staticSchema } from "./static_schema.ts";
import { triesCheck, triesSchema } from "./try_schema.ts";

/** A route has exactly one of them (`references.ts`). */
export const HANDLER_NAMES = [
  "respond",
  "redirect",
  "fastcgi",
  "php",
  "proxy",
  "filter",
  "static",
] as const;

const upstreamName = () => v.string("use the name of an upstream");

const PARAMS = "Additional parameters; null: not sent; default: none";
const STRIP = "Prefix of the path to strip before the application sees it; default: none";

const pathPrefix = () =>
  textLike(/^(\/[^/]+)*$/, 'use a path such as "/api", without "/" at its end');

const endings = () =>
  v.pipe(
    list(
      textLike(/^\.[\x21-\x2e\x30-\x7e]+$/, 'use an ending in ASCII, such as ".php"'),
      "use a list of endings, such as [.php]",
    ),
    v.transform((texts) => texts.map((text) => text.toLowerCase())),
  );

const respond = v.pipe(
  section({
    status: optional(wholeNumber(200, 599), "Status", 200),
    body: optional(v.string(TEXT_REMEDY), "Body", ""),
  }, (text) => /^\d+$/.test(text) ? `{ status: ${text} }` : `{ body: ${asYaml(text)} }`),
  refuse(({ status, body }) =>
    [204, 205, 304].includes(status) && body !== ""
      ? `A response with status ${status} has no body (leave body out)`
      : undefined
  ),
);

const redirect = section({
  to: described(
    v.pipe(
      textLike(/^[\x21-\x7e]+$/, "use a path or a URL in ASCII, without spaces"),
      templateCheck(),
      // Else a part of the request could be another host.
      refuse((text) =>
        /^(?:\/|https?:\/\/|\$\{request\.(?:path|target)\}|[^$]*$)/.test(text)
          ? undefined
          : `"${text}" could lead anywhere (begin it with "/" or "https://")`
      ),
      locationCheck(),
    ),
    "Location; it may contain references such as ${match}",
  ),
  status: optional(
    v.picklist([301, 302, 303, 307, 308], "use 301, 302, 303, 307 or 308"),
    "Status",
    302,
  ),
}, "to");

/** That no part of a request is the host. */
function locationCheck() {
  return refuse<string>((text) => {
    try {
      compileLocation(text, {});
      return undefined;
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      return /could be any host/.test(error.message) ? error.message : undefined;
    }
  });
}

const fastcgi = section({
  upstream: described(upstreamName(), "Upstream"),
  script_name: optional(
    pathPrefix(),
    "Beginning of the path that becomes SCRIPT_NAME; the rest is PATH_INFO",
    "",
  ),
  strip: optional(pathPrefix(), STRIP),
  split_path: optional(
    endings(),
    "Endings of script names, such as .cgi, at which PATH_INFO begins; default: none",
  ),
  index: optional(
    textLike(/^[^/\0]+$/, 'use a script\'s name, without "/"'),
    'Script for a path that ends with "/", whether the file exists or not; default: none',
  ),
  params: optional(paramsSchema(), PARAMS),
  ...exchangeEntries,
}, "upstream");

const phpSection = section({
  upstream: described(upstreamName(), "Upstream that runs the scripts"),
  index: optional(
    indexNames("index.php"),
    "Index scripts of a directory; the first that exists runs",
    ["index.php"],
  ),
  front_controller: optional(
    textLike(/^(\/[^/\0]+)+$/, 'use a path below the root, such as "/index.php"'),
    "Script for every path that is no file; default: none, such a request goes to the next route",
  ),
  try: optional(
    triesSchema(),
    "What to try, in turn; default: script, file, folder and the front controller",
  ),
  strip: optional(pathPrefix(), STRIP),
  split_path: optional(
    v.union(
      [v.pipe(v.array(v.string()), v.length(0)), endings()],
      "use a list of endings, such as [.php]",
    ),
    "Endings of script names at which PATH_INFO begins; []: no PATH_INFO",
    [...PHP_ENDINGS],
  ),
  scripts: optional(
    list(
      textLike(/^\/[^\0]+$/, 'use a path such as "/index.php" or "/wp-admin/*.php"'),
      "use a list of paths, such as [/index.php]",
    ),
    "Scripts that may run; * is a part of a name, **/ any directories; default: all",
  ),
  no_scripts: optional(
    list(
      textLike(/^(\/[^/\0]+)+$/, 'use a directory such as "/uploads"'),
      "use a list of directories",
    ),
    "Directories below which no script may run; default: none",
  ),
  application_root: optional(
    textLike(/^(\/[^/\0]+)+$/, 'use an absolute path such as "/var/www/html"'),
    "The root as the application sees it, for another container; default: as the site's",
  ),
  resolve_root: optional(
    flag(),
    "Whether a root that is a symlink is resolved for each request, so that a deployment takes effect at once",
    false,
  ),
  params: optional(paramsSchema(), PARAMS),
  ...exchangeEntries,
}, "upstream");

const php = v.pipe(phpSection, triesCheck());

const rewriteText = () =>
  v.pipe(
    textLike(
      /^(?:\/|\$\{)[^\0\r\n#]*$/,
      'use a path such as "/index.php" or "/${match}", and maybe a query',
    ),
    templateCheck(),
  );

const REWRITE_REMEDY =
  'use a path such as "/index.php" or "/${match}", or a map with to, repeat and internal';

const rewrite = v.pipe(
  v.union([
    rewriteText(),
    section({
      to: described(rewriteText(), "The new path; it may contain references such as ${path.1}"),
      repeat: optional(
        flag(),
        "Whether the route rewrites what it has rewritten, ten times at most",
        false,
      ),
      internal: optional(flag(), "Whether the new path may lead to internal routes", false),
    }, "to"),
  ], REWRITE_REMEDY),
  v.transform((value) => {
    return typeof value === "string" ? { to: value, repeat: false, internal: false } : value;
  }),
);

const authorize = section({
  upstream: described(upstreamName(), "Upstream of the authorizer"),
  params: optional(paramsSchema(), PARAMS),
}, "upstream");

const filter = section({
  upstream: described(upstreamName(), "Upstream of the filter"),
  params: optional(paramsSchema(), PARAMS),
}, "upstream");

export const routeSchema = remembered(section({
  path: optional(
    pathPattern(`${PATTERN_REMEDY}, or leave it out for all`),
    `${PATH_FORMS}; default: every path`,
  ),
  root: optional(
    filePath(),
    "Directory of the route's files and scripts, for php, static, fastcgi and filter; default: the site's",
  ),
  strip_prefix: optional(
    textLike(/^(\/[^/]+)+$/, 'use a path such as "/pma", without "/" at its end'),
    "Beginning of the path that is no directory below the root, for the same; SCRIPT_NAME keeps it; default: none",
  ),
  rewrite: optional(
    rewrite,
    "Another path for the request, before the route's handler or, without one, for the other routes; a query of it stands before the client's; default: none",
  ),
  methods: optional(methods(), "Methods that the route takes; others get 405; default: all"),
  internal: optional(
    flag(),
    "Whether only X-Accel-Redirect of an application, or a rewrite with internal, leads here; a client gets 404",
    false,
  ),
  compression: optional(
    compressionSchema(),
    "Compression of the route's responses; default: as the site",
  ),
  authorize: optional(
    authorize,
    "Authorization by a FastCGI authorizer before anything else; default: none",
  ),
  forward_auth: optional(
    forwardAuthSchema(),
    "Authorization by an HTTP server before anything else; default: none",
  ),
  respond: optional(respond, "Sends a fixed response"),
  redirect: optional(redirect, "Redirects the client"),
  fastcgi: optional(fastcgi, "Forwards the request to an application"),
  php: optional(php, "Runs PHP scripts below the root"),
  proxy: optional(proxySchema(), "Forwards the request to an HTTP server"),
  filter: optional(filter, "Sends the files below the root through a FastCGI filter"),
  static: optional(staticSchema, "Serves static files below the root"),
  ...responseEntries,
  ...bodyEntries,
  ...conditionEntries,
}));
