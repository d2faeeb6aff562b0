/** The schema of what `fastcgi` and `php` say of the way to the application and back. */
import * as v from "valibot";
import { type ExchangeOptions, GATEWAY_FIELDS } from "../http/exchange_options.ts";
import { NEXT_CASES } from "../upstream/next_server.ts";
import { anyOf } from "./nearest.ts";
import { flag, list, oneOf, optional, textLike } from "./schema_parts.ts";

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
  catch_stderr: optional(
    list(textLike(/^[^\0\r\n]+$/, "use a text"), "use a list of texts"),
    "Texts on STDERR, before the response, by which there is none (502); default: none",
  ),
};

const exchangeSection = v.object(exchangeEntries);
type ExchangeConfig = v.InferOutput<typeof exchangeSection>;

/** Nothing where all is as always. */
export function exchangeOptions(config: ExchangeConfig): { readonly exchange?: ExchangeOptions } {
  const options: ExchangeOptions = {
    ...(config.hide_headers && { hideHeaders: config.hide_headers }),
    ...(config.pass_headers && { passHeaders: config.pass_headers }),
    ...(config.ignore_headers && { ignoreHeaders: config.ignore_headers }),
    ...(!config.pass_request_body && { passRequestBody: false }),
    ...(!config.pass_request_headers && { passRequestHeaders: false }),
    ...(config.ignore_client_abort && { ignoreClientAbort: true }),
    ...(config.next_upstream && { nextUpstream: config.next_upstream }),
    ...(config.catch_stderr && { catchStderr: config.catch_stderr }),
  };
  return Object.keys(options).length === 0 ? {} : { exchange: options };
}
