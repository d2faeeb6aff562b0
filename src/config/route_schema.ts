/** The schema of one route: what it matches, and the handler that answers. */
import * as v from "valibot";
import { PHP_ENDINGS } from "../http/options.ts";
import { compressionSchema } from "./compression_schema.ts";
import { answerEntries } from "./answer_schema.ts";
import { bodyEntries } from "./body_schema.ts";
import { paramsSchema, templateCheck } from "./params_schema.ts";
import {
  asYaml,
  described,
  flag,
  list,
  methods,
  PATH_PATTERN,
  section,
  TEXT_REMEDY,
  textLike,
  wholeNumber,
} from "./schema_parts.ts";
import { indexNames, staticSchema } from "./static_schema.ts";
import { triesCheck, triesSchema } from "./try_schema.ts";

/** A route has exactly one of them (`references.ts`). */
export const HANDLER_NAMES = ["respond", "redirect", "fastcgi", "php", "filter", "static"] as const;

const upstreamName = () => v.string("use the name of an upstream");

const PARAMS =
  "Parameters to send beside the usual ones; null: one that is not sent; left out: none";
const STRIP = "The beginning of the path that the application does not see; left out: it sees all";

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
    status: v.optional(described(wholeNumber(200, 599), "The answer's status"), 200),
    body: v.optional(described(v.string(TEXT_REMEDY), "The answer's body"), ""),
  }, (text) => /^\d+$/.test(text) ? `{ status: ${text} }` : `{ body: ${asYaml(text)} }`),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed || ![204, 205, 304].includes(dataset.value.status)) return;
    if (dataset.value.body === "") return;
    addIssue({
      message: `An answer with status ${dataset.value.status} has no body (leave body out)`,
    });
  }),
);

const redirect = section({
  to: described(
    v.pipe(
      textLike(/^[\x21-\x7e]+$/, "use a path or a URL in ASCII, without spaces"),
      templateCheck(),
      v.rawCheck(({ dataset, addIssue }) => {
        // Else a part of the request could be another host.
        if (!dataset.typed || /^(\/|https?:\/\/|[^$]*$)/.test(dataset.value)) return;
        const message = `"${dataset.value}" could lead anywhere (begin it with "/" or "https://")`;
        addIssue({ message });
      }),
    ),
    "The Location to send; it may have references to the request, such as ${match}",
  ),
  status: v.optional(
    described(
      v.picklist([301, 302, 303, 307, 308], "use 301, 302, 303, 307 or 308"),
      "The answer's status",
    ),
    302,
  ),
}, "to");

const fastcgi = section({
  upstream: described(upstreamName(), "The name of the upstream that answers"),
  script_name: v.optional(
    described(
      pathPrefix(),
      "The beginning of the path that is SCRIPT_NAME; what is behind it is PATH_INFO",
    ),
    "",
  ),
  strip: v.optional(described(pathPrefix(), STRIP)),
  split_path: v.optional(
    described(
      endings(),
      "Endings at which SCRIPT_NAME ends and PATH_INFO begins, the first that is met; left out: none",
    ),
  ),
  index: v.optional(
    described(
      textLike(/^[^/\0]+$/, 'use a script\'s name, without "/"'),
      'The script for a path that ends with "/", whether there is a file or not; left out: none',
    ),
  ),
  params: v.optional(described(paramsSchema(), PARAMS)),
}, "upstream");

const phpSection = section({
  upstream: described(upstreamName(), "The name of the upstream that runs the scripts"),
  index: v.optional(
    described(
      indexNames("index.php"),
      "Scripts that stand for a folder; the first that exists is run",
    ),
    ["index.php"],
  ),
  front_controller: v.optional(
    described(
      textLike(/^(\/[^/\0]+)+$/, 'use a path below the root, such as "/index.php"'),
      "The script for paths at which there is no file; left out: they go to the next route",
    ),
  ),
  try: v.optional(
    described(
      triesSchema(),
      "What is tried, in turn; left out: script, file, folder and the front controller",
    ),
  ),
  strip: v.optional(described(pathPrefix(), STRIP)),
  split_path: v.optional(
    described(
      v.union(
        [v.pipe(v.array(v.string()), v.length(0)), endings()],
        "use a list of endings, such as [.php]",
      ),
      "Endings of scripts' names; what is behind one is PATH_INFO; []: no PATH_INFO",
    ),
    [...PHP_ENDINGS],
  ),
  scripts: v.optional(
    described(
      list(
        textLike(/^\/[^\0]+$/, 'use a path such as "/index.php" or "/wp-admin/*.php"'),
        "use a list of paths, such as [/index.php]",
      ),
      "The only scripts that may run; * is part of a name, **/ any folders; left out: all",
    ),
  ),
  no_scripts: v.optional(
    described(
      list(textLike(/^(\/[^/\0]+)+$/, 'use a folder such as "/uploads"'), "use a list of folders"),
      "Folders below which no script may run; left out: none",
    ),
  ),
  application_root: v.optional(
    described(
      textLike(/^(\/[^/\0]+)+$/, 'use an absolute path such as "/var/www/html"'),
      "The root as the application sees it, in a container of its own; left out: the site's",
    ),
  ),
  resolve_root: v.optional(
    described(
      flag(),
      "Whether a root that is a link is followed for each request: a deployment becomes visible at once",
    ),
    false,
  ),
  params: v.optional(described(paramsSchema(), PARAMS)),
}, "upstream");

const php = v.pipe(phpSection, triesCheck());

const authorize = section({
  upstream: described(
    upstreamName(),
    "The name of the upstream that is asked, a FastCGI Authorizer",
  ),
  params: v.optional(described(paramsSchema(), PARAMS)),
}, "upstream");

const filter = section({
  upstream: described(
    upstreamName(),
    "The name of the upstream that gets the files, a FastCGI Filter",
  ),
  params: v.optional(described(paramsSchema(), PARAMS)),
}, "upstream");

export const routeSchema = section({
  path: v.optional(
    described(
      textLike(PATH_PATTERN, 'use "/exact", "/prefix/*" or "*.suffix", or leave it out for all'),
      "/exact, /folder/* (also matches /folder), /begin*, *.end or /begin*.end; left out: everything",
    ),
  ),
  methods: v.optional(
    described(methods(), "Methods that the route takes, another one gets 405; left out: all"),
  ),
  internal: v.optional(
    described(
      flag(),
      "Whether only an application's X-Accel-Redirect leads here; a client gets 404",
    ),
    false,
  ),
  compression: v.optional(
    described(compressionSchema(), "Compresses the route's answers; left out: as the site says"),
  ),
  authorize: v.optional(
    described(
      authorize,
      "Asks an application first whether the request may go on; left out: it may",
    ),
  ),
  respond: v.optional(described(respond, "Answers with a fixed status and text")),
  redirect: v.optional(described(redirect, "Sends the client elsewhere")),
  fastcgi: v.optional(described(fastcgi, "Hands the request to an application")),
  php: v.optional(described(php, "Runs the scripts below the site's root")),
  filter: v.optional(
    described(filter, "Sends the files below the site's root through an application"),
  ),
  static: v.optional(described(staticSchema, "Serves the files below the site's root")),
  ...answerEntries,
  ...bodyEntries,
});
