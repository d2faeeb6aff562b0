/**
 * The benchmark's application on afcgi's own FastCGI server, for Bun and for Deno. Argument: the
 * unix socket's path. "/" is twelve bytes; "/hold?ms=N" is the same after N milliseconds.
 */
import { serveFastCgi } from "../../mod.ts";

const BODY = "hello world\n";
const HEADERS = { "content-type": "text/plain", "content-length": String(BODY.length) };
const REQUESTS_MAX = 20_000;

async function handle(request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === "/hold") {
    await new Promise((resolve) => setTimeout(resolve, Number(searchParams.get("ms"))));
  }
  return new Response(BODY, { headers: HEADERS });
}

const [path] = process.argv.slice(2);
await serveFastCgi(handle, { listen: `unix:${path}`, maxRequests: REQUESTS_MAX });
