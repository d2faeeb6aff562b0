/** A response of any kind with one field more. */
import {
  BytesResponse,
  FileResponse,
  type HttpResponse,
  StreamResponse,
  UpgradeResponse,
} from "../runtime/http_response.ts";

/** `name` is in lower case. A field of that name that is there stays, and nothing is added. */
export function withField(response: HttpResponse, name: string, value: string): HttpResponse {
  if (response instanceof Response) {
    if (!response.headers.has(name)) response.headers.set(name, value);
    return response;
  }
  const { status, fields } = response;
  if (fields.some(([there]) => there.toLowerCase() === name)) return response;
  return withFields(response, status, [...fields, [name, value]]);
}

export function withFields(
  response: Exclude<HttpResponse, Response>,
  status: number,
  fields: readonly (readonly [string, string])[],
): HttpResponse {
  if (response instanceof FileResponse) return new FileResponse(status, fields, response);
  if (response instanceof UpgradeResponse) {
    return new UpgradeResponse(fields, response.body!, response.onSwitched);
  }
  if (response instanceof StreamResponse) {
    return new StreamResponse(status, fields, response.body, response);
  }
  return new BytesResponse(status, fields, response.body, response.reason);
}
