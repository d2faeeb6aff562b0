/**
 * A Hono application as a FastCGI server: routes, cookies, JSON, file upload, a stream. It listens
 * where the variable LISTEN says, else on 127.0.0.1:9000, and runs on Bun and on Deno:
 *
 *     LISTEN=unix:/run/app.sock bun examples/hono_app.ts
 *     LISTEN=unix:/run/app.sock deno run -A examples/hono_app.ts
 *
 * docs/applications.md says how to run one for each CPU, and how to put it behind a web server.
 */
import { Hono } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import { etag } from "hono/etag";
import process from "node:process";
import { serveFastCgi } from "../mod.ts";

export const app = new Hono();

app.get("/", (c) => c.html("<!doctype html><title>Notes</title><h1>Notes</h1>"));

app.get("/hello/:name", (c) => c.text(`Hello ${c.req.param("name")}\n`));

app.get("/visits", (c) => {
  const visits = Number(getCookie(c, "visits") ?? 0) + 1;
  setCookie(c, "visits", String(visits), { httpOnly: true, sameSite: "Lax" });
  setCookie(c, "seen", "yes", { path: "/visits", maxAge: 3600 });
  return c.json({ visits });
});

app.post("/notes", async (c) => {
  const note = await c.req.json().catch(() => undefined);
  if (typeof note?.text !== "string") return c.json({ error: "A note has a text" }, 400);
  c.header("Location", `/notes/${encodeURIComponent(note.text.slice(0, 20))}`);
  return c.json(note, 201);
});

app.delete("/notes/:text", (c) => c.body(null, 204));

app.post("/upload", async (c) => {
  const form = await c.req.formData();
  const parts = await Promise.all(
    [...form].map(async ([name, value]) =>
      typeof value === "string"
        ? { name, value }
        : { name, file: value.name, type: value.type, sha256: await sha256(value) }
    ),
  );
  return c.json(parts);
});

app.get("/manual", etag(), (c) => c.text("Read me once\n"));

app.get("/count/:to", (c) => {
  const to = Number(c.req.param("to"));
  const lines = new ReadableStream<Uint8Array>({
    async start(controller) {
      for (let line = 1; line <= to; line++) {
        controller.enqueue(new TextEncoder().encode(`${line}\n`));
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      controller.close();
    },
  });
  return c.body(lines, 200, { "Content-Type": "text/plain; charset=utf-8" });
});

/** Which of several processes answers. */
app.get("/process", (c) => c.text(`${process.pid}\n`));

app.get("/moved", (c) => c.redirect("/hello/again?from=moved", 303));

async function sha256(file: Blob): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

if (import.meta.main) {
  const listen = process.env["LISTEN"] ?? "127.0.0.1:9000";
  const server = await serveFastCgi(app.fetch, { listen });
  console.log(`Listening on ${listen}`);
  process.on("SIGTERM", async () => {
    await server.shutdown({ grace: 10_000 });
    process.exit();
  });
}
