/**
 * Both sides in one process: a Hono application served over FastCGI, and a Hono gateway that reaches
 * it through afcgi's library. Run it with `npx bun examples/library.ts` or
 * `npx deno run -A examples/library.ts`; it asks itself once and ends.
 */
import { Hono } from "hono";
import { fastcgi, serveFastCgi, Upstream } from "../mod.ts";

const application = new Hono();
application.get("/hello/:name", (c) => c.text(`Hello ${c.req.param("name")}\n`));

const server = await serveFastCgi(application.fetch, { listen: "127.0.0.1:0" });
const { addr } = server;
if (addr.transport !== "tcp") throw new Error("The address above is a TCP one");

const upstream = new Upstream(`tcp://${addr.host}:${addr.port}`);
const gateway = new Hono();
gateway.all("/hello/*", fastcgi({ upstream }));

const response = await gateway.request("/hello/world");
console.log(response.status, await response.text());

await upstream.drain(1_000);
await server.shutdown({ grace: 1_000 });
