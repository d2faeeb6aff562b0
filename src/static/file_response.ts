/**
 * A file as an HTTP answer (RFC 9110): its type and length, validators, conditions, one range. The
 * entity tag is strong and made of time and size, as nginx makes it: two versions of one size within
 * a millisecond look alike.
 *
 * Which file may be served is decided before; this file only sends.
 */
import type { Files } from "../runtime/runtime.ts";
import type { FoundFile } from "./below_root.ts";
import { checkConditions, rangeApplies, type Validators } from "./conditions.ts";
import { contentTypeOf } from "./content_type.ts";
import { formatHttpDate } from "./http_date.ts";
import { parseRange } from "./range.ts";
import { refuse, type StaticRefusal } from "./refusal.ts";

/** What this file wants of the runtime's files. */
export type FileBodies = Pick<Files, "stat" | "body">;

/** The part of a Fetch `Request` that is looked at. */
export type FileRequest = Pick<Request, "method" | "headers">;

/** Answers a GET or HEAD with a file. */
export async function serveFile(
  files: FileBodies,
  found: FoundFile,
  request: FileRequest,
): Promise<Response | StaticRefusal> {
  const { method, headers: fields } = request;
  if (method !== "GET" && method !== "HEAD") return refuse("method_not_allowed");
  const { size } = found.info;
  const validators = validatorsOf(found);
  const headers: Record<string, string> = {
    "accept-ranges": "bytes",
    etag: validators.etag,
    "last-modified": formatHttpDate(validators.modifiedMs),
  };
  const verdict = checkConditions(fields, validators);
  if (verdict === "failed") return refuse("precondition_failed");
  if (verdict === "not_modified") return new Response(null, { status: 304, headers });

  // Ranges are defined for GET alone (section 14.2).
  const ranged = method === "GET" && rangeApplies(fields, validators);
  const range = ranged ? parseRange(fields.get("range"), size) : undefined;
  if (range === "unsatisfiable") {
    return refuse("range_not_satisfiable", { "content-range": `bytes */${size}` });
  }
  const { start, end } = range ?? { start: 0, end: size };
  headers["content-type"] = contentTypeOf(found.path);
  headers["content-length"] = String(end - start);
  if (range !== undefined) headers["content-range"] = `bytes ${start}-${end - 1}/${size}`;
  const status = range === undefined ? 200 : 206;
  if (method === "HEAD") return new Response(null, { status, headers });
  try {
    return new Response(await files.body(found.realPath, start, end), { status, headers });
  } catch {
    // It was there a moment ago: either it may not be read, or it is gone by now.
    return refuse(files.stat(found.realPath) === undefined ? "no_such_file" : "unreadable_file");
  }
}

function validatorsOf(found: FoundFile): Validators {
  const modifiedMs = Math.floor(found.info.modifiedMs);
  return { etag: `"${modifiedMs.toString(16)}-${found.info.size.toString(16)}"`, modifiedMs };
}
