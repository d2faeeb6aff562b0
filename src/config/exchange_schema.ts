/** The schema of what `fastcgi` and `php` say of the way to the application and back. */
import * as v from "valibot";
import { type ExchangeOptions, GATEWAY_FIELDS } from "../http/exchange_options.ts";
import { NEXT_CASES } from "../upstream/next_server.ts";
import { anyOf } from "./nearest.ts";
import { resolvePath } from "./paths.ts";
import { filePath, flag, list, oneOf, optional, section, textLike } from "./schema_parts.ts";

const OWNER_MODE = 0o600;

const fieldName = () =>
  v.pipe(
    textLike(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "use a header's name"),
    v.transform((name) => name.toLowerCase()),
  );

const gatewayField = () =>
  v.pipe(
    textLike(
      new RegExp(`^(?:${GATEWAY_FIELDS.map(anyCase).join("|")})$`),
      `use ${anyOf(GATEWAY_FIELDS)}`,
    ),
    v.transform((name) => name.toLowerCase()),
  );

/** JSON Schema has no flags. */
function anyCase(name: string): string {
  return name.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);
}

export const exchangeEntries = {
  hide_headers: optional(
    list(fieldName(), "use a list of headers' names"),
    "Headers of the application's responses that clients do not get; default: none",
  ),
  pass_headers: optional(
    list(gatewayField(), "use a list of headers' names"),
    `Headers for afcgi that clients get as well: ${anyOf(GATEWAY_FIELDS)}; default: none`,
  ),
  ignore_headers: optional(
    list(gatewayField(), "use a list of headers' names"),
    "Headers for afcgi that it does not obey, of the same; default: none",
  ),
  pass_request_body: optional(
    flag(),
    "Whether the body of a request goes to the application",
    true,
  ),
  pass_request_headers: optional(flag(), "Whether the headers of a request do, as HTTP_*", true),
  ignore_client_abort: optional(
    flag(),
    "Whether the application goes on when the client has left",
    false,
  ),
  next_upstream: optional(
    list(oneOf(NEXT_CASES), `use a list of ${NEXT_CASES.join(", ")}`),
    "After what another server gets the request, within the upstream's retry; default: as retry says",
  ),
  store: optional(
    v.pipe(
      v.union(
        [
          flag(),
          filePath(),
          section({
            directory: optional(filePath(), "Directory of the copies; default: the route's root"),
            mode: optional(fileMode(), 'Permissions of the copies, such as "0644"', "0600"),
          }),
        ],
        "use true for the route's root, a directory, or a map with directory and mode",
      ),
      v.transform(storeConfig),
    ),
    "Where a copy of each plain response to a GET is kept, as a file for a static route; default: nowhere",
  ),
  catch_stderr: optional(
    list(textLike(/^[^\0\r\n]+$/, "use a text"), "use a list of texts"),
    "Texts on STDERR, before the response, by which there is none (502); default: none",
  ),
};

interface StoreConfig {
  /** Left out: the route's root. */
  readonly directory?: string | undefined;
  readonly mode: number;
}

/** Undefined where nothing is kept. */
function storeConfig(
  value: boolean | string | { readonly directory?: string | undefined; readonly mode: number },
): StoreConfig | undefined {
  if (typeof value === "object") return value;
  if (value === false) return undefined;
  return { mode: OWNER_MODE, ...(value !== true && { directory: value }) };
}

function fileMode() {
  return v.pipe(
    textLike(/^0?[0-7]{3}$/, 'use octal digits in quotes, such as "0644"'),
    v.transform((text) => parseInt(text, 8)),
  );
}

const exchangeSection = v.object(exchangeEntries);
type ExchangeConfig = v.InferOutput<typeof exchangeSection>;

/** Nothing where all is as always. */
export function exchangeOptions(
  config: ExchangeConfig,
  directory: string,
): { readonly exchange?: ExchangeOptions } {
  const options: ExchangeOptions = {
    ...(config.hide_headers && { hideHeaders: config.hide_headers }),
    ...(config.pass_headers && { passHeaders: config.pass_headers }),
    ...(config.ignore_headers && { ignoreHeaders: config.ignore_headers }),
    ...(!config.pass_request_body && { passRequestBody: false }),
    ...(!config.pass_request_headers && { passRequestHeaders: false }),
    ...(config.ignore_client_abort && { ignoreClientAbort: true }),
    ...(config.next_upstream && { nextUpstream: config.next_upstream }),
    ...(config.catch_stderr && { catchStderr: config.catch_stderr }),
    ...(config.store && {
      store: {
        mode: config.store.mode,
        ...(config.store.directory !== undefined &&
          { directory: resolvePath(directory, config.store.directory) }),
      },
    }),
  };
  return Object.keys(options).length === 0 ? {} : { exchange: options };
}
