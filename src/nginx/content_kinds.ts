/** What is done with a request that needs no look at files: a response, a redirect, or a refusal. */
import type { Notes } from "../import/notes.ts";
import type { Directive } from "./parser.ts";
import { toTemplate, type VariableValues } from "./variables.ts";

export type FixedContent =
  | { readonly kind: "refused"; readonly directive: Directive; readonly reason: string }
  | { readonly kind: "respond"; readonly status: number; readonly body: string }
  | { readonly kind: "redirect"; readonly status: number; readonly to: string };

const VARIABLES = "a variable in it has no counterpart";

export function readReturn(
  directive: Directive,
  values: VariableValues,
  notes: Notes,
): FixedContent {
  const [code = "", text = ""] = directive.args;
  const status = Number(code);
  const target = /^\d+$/.test(code) ? text : code;
  notes.take(directive);
  if (status === 444) {
    notes.add("differs", directive, "the client gets 403, its connection is not cut");
    return { kind: "respond", status: 403, body: "" };
  }
  const isRedirect = Number.isNaN(status) || [301, 302, 303, 307, 308].includes(status);
  const template = toTemplate(target, values);
  if (template === undefined) return { kind: "refused", directive, reason: VARIABLES };
  if (isRedirect) {
    return sendsElsewhere(template, Number.isNaN(status) ? 302 : status) ??
      { kind: "refused", directive, reason: "where it leads cannot be said" };
  }
  if (template.includes("${") || status < 200 || status > 599) {
    return { kind: "refused", directive, reason: VARIABLES };
  }
  return { kind: "respond", status, body: [204, 205, 304].includes(status) ? "" : template };
}

/** A host that is the file's own, or the one that the client has asked for. */
const HOST = String.raw`(?:[^/?#$]+|\$\{(?:request\.host|map\.\w+)\}|\$\{[^}]*\}\.)`;
const SAFE = new RegExp(
  String.raw`^(?:/|https?://${HOST}|\$\{request\.(?:scheme\}://${HOST}|path\}|target\})|[^$]*$)`,
);

/** Undefined where a part of the request could be another host, or it is no URL. */
export function sendsElsewhere(
  to: string,
  status: number,
): Extract<FixedContent, { kind: "redirect" }> | undefined {
  const written = to.replaceAll(/[^\x21-\x7e]/gu, (it) => encodeURIComponent(it));
  return written !== "" && SAFE.test(written)
    ? { kind: "redirect", to: written, status }
    : undefined;
}
