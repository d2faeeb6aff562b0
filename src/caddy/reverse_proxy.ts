/** `reverse_proxy` → `proxy`, or `php` and `fastcgi` where it speaks FastCGI. */
import { type RouteValue, type Step, Unsayable } from "../import/chain.ts";
import type { Directive } from "../import/directive.ts";
import { fastCgiUpstream, httpUpstream, transportOf } from "./http_upstream.ts";
import { matcherOf } from "./matchers.ts";
import { type DirectiveReader, readField, withHeaders } from "./middleware.ts";
import { paramsOf } from "./php_fastcgi.ts";
import { toTemplate } from "./placeholders.ts";
import { missingFirst } from "./responses.ts";
import { fileKeys } from "./route_keys.ts";
import type { SiteContext, SiteState } from "./site_state.ts";
import { commentOf, lettingIn, whenOf } from "./when.ts";

const REFUSING = new Set(["handle_response", "replace_status", "rewrite", "method", "dynamic"]);

/** What afcgi tells a server by itself. */
const FORWARDED = /^(?:x-forwarded-(?:for|proto|host|port)|x-real-ip|forwarded|via)$/i;

export const reverseProxy: DirectiveReader = (directive, context) => {
  const { matcher, args } = matcherOf(directive, context);
  const lines = directive.block ?? [];
  const refused = lines.find(({ name }) => REFUSING.has(name) || name.startsWith("@"));
  context.notes.take(directive);
  if (refused !== undefined) throw new Unsayable(refused, "it has no counterpart");
  const when = matcher.file === undefined ? whenOf(matcher, directive) : () => [{}];
  const isFastCgi = transportOf(directive)?.args[0] === "fastcgi";
  const steps: Step<SiteState>[] = [
    ...lettingIn(matcher, when, directive),
    {
      kind: "end",
      when,
      comment: commentOf(directive),
      routes: (state) => {
        if (state.existence === "there" || state.tries !== undefined) {
          throw new Unsayable(directive, "it would depend on whether there is a file");
        }
        return isFastCgi
          ? fastCgiRoutes(state, directive, args, context)
          : proxyRoutes(state, directive, args, context);
      },
    },
  ];
  return missingFirst(matcher, directive, steps);
};

function proxyRoutes(
  state: SiteState,
  directive: Directive,
  args: readonly string[],
  context: SiteContext,
): readonly RouteValue[] {
  const { notes } = context;
  const { name: upstream, first } = httpUpstream(directive, args, context);
  const headers: Record<string, string | null> = { ...state.fields };
  let host: string | undefined;
  const rules = { set: {}, add: {}, remove: [] };
  for (const line of directive.block ?? []) {
    const [field = "", value = "", replacement] = line.args;
    if (line.name === "header_down") {
      readField({ ...line, name: field, args: line.args.slice(1) }, rules, context);
      notes.take(line);
    } else if (line.name === "header_up") {
      const name = field.replace(/^[+\-?>]/, "");
      if (replacement !== undefined) notes.add("lost", line, "a value is not changed in parts");
      else if (/^host$/i.test(name)) host = hostOf(value, first, line, context);
      else if (FORWARDED.test(name)) {
        notes.add("unneeded", line, "afcgi tells the server so itself");
      } else headers[name] = field.startsWith("-") ? null : toTemplate(value, line, context);
      notes.take(line);
    }
  }
  const { root: _none, ...keys } = fileKeys(withHeaders(state, rules), context);
  const hasHeaders = Object.keys(rules.set).length + rules.remove.length > 0 ||
    state.keys["headers"] !== undefined;
  const { headers: changed, ...others } = keys;
  return [{
    ...others,
    ...(hasHeaders && { headers: changed }),
    proxy: {
      upstream,
      ...(host !== undefined && { host }),
      ...(Object.keys(headers).length > 0 && { headers }),
    },
  }];
}

function hostOf(value: string, first: string, line: Directive, context: SiteContext): string {
  const place = first.replace(/^https?:\/\//, "");
  const hostport = /\{(?:http\.reverse_proxy\.)?upstream[._]hostport\}/g;
  return toTemplate(value.replace(hostport, place), line, context);
}

function fastCgiRoutes(
  state: SiteState,
  directive: Directive,
  args: readonly string[],
  context: SiteContext,
): readonly RouteValue[] {
  const lines = transportOf(directive)?.block ?? [];
  const said = (name: string) => lines.filter((line) => line.name === name);
  context.notes.take(transportOf(directive), ...lines);
  const split = said("split").flatMap((line) => line.args);
  const root = said("root")[0]?.args[0];
  const files = { ...state, root: state.root ?? root };
  const { strip_prefix: prefix, ...keys } = fileKeys(files, context);
  const { name: upstream } = fastCgiUpstream(directive, args, "app", context);
  const params = paramsOf(state, said("env"), context);
  const common = {
    upstream,
    ...(split.length > 0 && { split_path: split }),
    ...(prefix !== undefined && { strip: prefix }),
    ...(Object.keys(params).length > 0 && { params }),
  };
  if (split.includes(".php")) {
    const resolve_root = said("resolve_root_symlink").length > 0;
    const php = { ...common, try: ["script"], ...(resolve_root && { resolve_root }) };
    const application = root !== undefined && root !== files.root && { application_root: root };
    return [{ ...keys, php: { ...php, ...application } }, {
      ...state.keys,
      respond: { status: 404 },
    }];
  }
  return [{ ...keys, fastcgi: common }];
}
