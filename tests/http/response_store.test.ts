/** Copies of responses that a route keeps as files: which, where, and what becomes of failures. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { FastCgiHandler } from "../../src/responder/options.ts";
import { FileError } from "../../src/runtime/file_error.ts";
import { withConfig } from "../support/configured.ts";
import { until } from "../support/idle.ts";
import { type Gateway, runtime } from "../support/gateway.ts";
import { HttpConnection, type HttpResponse } from "../support/raw_http.ts";
import { temporaryDirectory } from "../support/places.ts";

interface World {
  readonly gateway: Gateway;
  readonly root: string;
  /** Paths that came to the application. */
  readonly asked: string[];
}

async function withStore(
  store: string,
  application: FastCgiHandler,
  use: (world: World) => Promise<void>,
  files = runtime.files,
  root = temporaryDirectory(),
): Promise<void> {
  const asked: string[] = [];
  const text = `
upstreams: { app: { servers: ["\${env.APP}"], multiplex: "on" } }
sites:
  - root: ${JSON.stringify(root)}
    routes: [{ static: {} }, { fastcgi: { upstream: app, store: ${store} } }]
`;
  const counted: FastCgiHandler = (request, info) => {
    asked.push(new URL(request.url).pathname);
    return application(request, info);
  };
  await withConfig(
    { text, application: counted, files },
    (gateway) => use({ gateway, root, asked }),
  );
}

const css = (): Response => new Response("a {}", { headers: { "Content-Type": "text/css" } });

test("A response is kept, and the next request gets the file", async () => {
  await withStore("true", css, async ({ gateway, root, asked }) => {
    const first = await gateway.send("/assets/a.css");
    assert.equal(first.body.toString(), "a {}");
    await until(() => existsSync(join(root, "assets/a.css")), "the copy");
    assert.equal(readFileSync(join(root, "assets/a.css"), "utf8"), "a {}");
    assert.equal(statSync(join(root, "assets/a.css")).mode & 0o777, 0o600);
    const second = await gateway.send("/assets/a.css");
    assert.equal(second.body.toString(), "a {}");
    assert.equal(second.headers.get("content-type"), "text/css; charset=utf-8");
    assert.deepEqual(asked, ["/assets/a.css"]);
  });
});

test("A copy may go to another directory, with another mode", async () => {
  const directory = temporaryDirectory();
  const store = `{ directory: ${JSON.stringify(directory)}, mode: "0644" }`;
  await withStore(store, css, async ({ gateway, root }) => {
    await gateway.send("/x/y.css");
    await until(() => existsSync(join(directory, "x/y.css")), "the copy");
    assert.equal(statSync(join(directory, "x/y.css")).mode & 0o777, 0o644);
    assert.deepEqual(readdirSync(root), []);
  });
});

test("A stream is kept once it has ended, whole", async () => {
  const piece = new Uint8Array(50_000).fill(97);
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const application: FastCgiHandler = () =>
    new Response(new ReadableStream({ start: (it) => void (controller = it) }), {
      headers: { "Content-Type": "text/plain" },
    });
  await withStore("true", application, async ({ gateway, root }) => {
    const connection = await HttpConnection.open(gateway.port);
    await connection.send({ target: "/long.txt" });
    await until(() => controller !== undefined, "the request");
    controller!.enqueue(piece);
    const headers = await connection.readHeaders();
    const body = connection.readBody(headers);
    await body.pieces.next();
    assert.equal(existsSync(join(root, "long.txt")), false);
    controller!.enqueue(piece);
    controller!.close();
    for await (const _ of body.pieces);
    connection.destroy();
    await until(() => existsSync(join(root, "long.txt")), "the copy");
    assert.equal(statSync(join(root, "long.txt")).size, 100_000);
    assert.deepEqual(readdirSync(root), ["long.txt"]);
  });
});

test("A response that breaks off, or that its client leaves, is not kept", async () => {
  const application: FastCgiHandler = (request) => {
    const breaks = request.url.endsWith("/broken.txt");
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new Uint8Array(50_000));
      },
      pull(controller) {
        if (breaks) controller.error(new Error("away"));
        else controller.enqueue(new Uint8Array(50_000));
      },
    });
    return new Response(stream, { headers: { "Content-Type": "text/plain" } });
  };
  await withStore("true", application, async ({ gateway, root }) => {
    for (const target of ["/broken.txt", "/left.txt"]) {
      const connection = await HttpConnection.open(gateway.port);
      await connection.send({ target });
      await connection.readHeaders();
      if (target === "/broken.txt") await connection.readToEnd().catch(() => "");
      connection.destroy();
    }
    await gateway.access.findAll(2, ({ msg }) => msg === "request");
    await until(() => readdirSync(root).length === 0, "nothing left behind");
  });
});

/** Each would be another response for somebody, or as a file. */
const NOT_KEPT: readonly (readonly [what: string, response: () => Response, request?: object])[] = [
  ["a cookie", () => plain({ "Set-Cookie": "a=b" })],
  ["private", () => plain({ "Cache-Control": "max-age=3, private" })],
  ["no-store", () => plain({ "Cache-Control": "no-store" })],
  ["no-cache", () => plain({ "Cache-Control": "no-cache" })],
  ["Vary", () => plain({ Vary: "Accept-Language" })],
  ["Vary by all", () => plain({ Vary: "*" })],
  ["a coding", () => plain({ "Content-Encoding": "br" })],
  ["an attachment", () => plain({ "Content-Disposition": "attachment" })],
  ["a policy", () => plain({ "Content-Security-Policy": "sandbox" })],
  ["another type", () => plain({ "Content-Type": "text/html" })],
  ["another charset", () => plain({ "Content-Type": "text/plain; charset=koi8-r" })],
  ["404", () => new Response("x", { status: 404, headers: { "Content-Type": "text/plain" } })],
  ["206", () => new Response("x", { status: 206, headers: { "Content-Type": "text/plain" } })],
  ["a POST", () => plain({}), { method: "POST", body: "x" }],
  ["HEAD", () => plain({}), { method: "HEAD" }],
  ["a user", () => plain({}), { headers: { Authorization: "Basic eDp5" } }],
  ["a query", () => plain({}), { target: "/a.txt?x=1" }],
];

function plain(headers: Record<string, string>): Response {
  return new Response("text", { headers: { "Content-Type": "text/plain", ...headers } });
}

test("What is not for everybody, or no file could say, is not kept", async () => {
  for (const [what, response, request = {}] of NOT_KEPT) {
    await withStore("true", response, async ({ gateway, root }) => {
      await gateway.send({ target: "/a.txt", ...request });
      assert.deepEqual(readdirSync(root), [], what);
    });
  }
});

/** The types whose copies are kept under each name; each is tried with each. */
const SCRIPTS = ["text/javascript", "application/javascript; charset=utf-8"];
const KEPT: Readonly<Record<string, readonly string[]>> = {
  "a.css": ["text/css", 'text/css; charset="UTF-8"', "text/css; media=print"],
  "a.svg": ["image/svg+xml"],
  // As files they would be packed pictures.
  "a.svgz": [],
  "A.SVGZ": [],
  "a.js": SCRIPTS,
  "a.mjs": SCRIPTS,
  "a.gz": ["application/gzip"],
  "a.tar.gz": ["application/gzip"],
  "a.bin": ["application/octet-stream"],
  a: ["application/octet-stream"],
  "a.unknown": ["application/octet-stream"],
};
const TYPES = [...new Set(Object.values(KEPT).flat()), "text/css; charset=koi8-r", ""];
const CODINGS = ["", "identity", "gzip"];

test("Who gets the copy gets what was sent before, whatever was said of it", async () => {
  const application: FastCgiHandler = (request) => {
    const [, type, coding] = new URL(request.url).pathname.split("/").map(Number);
    const headers = new Headers();
    if (TYPES[type!] !== "") headers.set("Content-Type", TYPES[type!]!);
    if (CODINGS[coding!] !== "") headers.set("Content-Encoding", CODINGS[coding!]!);
    return new Response(new TextEncoder().encode("a {}"), { headers });
  };
  await withStore("true", application, async ({ gateway, root, asked }) => {
    for (const [typePlace, type] of TYPES.entries()) {
      for (const [codingPlace, coding] of CODINGS.entries()) {
        for (const [name, types] of Object.entries(KEPT)) {
          const target = `/${typePlace}/${codingPlace}/${name}`;
          const isKept = types.includes(type) && coding !== "gzip";
          const first = await gateway.send(target);
          if (isKept) await until(() => existsSync(join(root, target)), `a copy of ${target}`);
          const second = await gateway.send(target);
          assert.deepEqual(meaningOf(second), meaningOf(first), target);
          assert.equal(asked.length, isKept ? 1 : 2, `${name} ${type} ${coding}`);
          asked.length = 0;
        }
      }
    }
  });
});

/** Of a response, as a client understands it. */
function meaningOf({ status, headers, body }: HttpResponse): readonly unknown[] {
  const [type = "", charset = "utf-8"] = (headers.get("content-type") ?? "application/octet-stream")
    .toLowerCase().replaceAll('"', "").replace("; media=print", "").split(/;\s*charset=/);
  const names = { "application/javascript": "text/javascript" } as Record<string, string>;
  const coding = (headers.get("content-encoding") ?? "identity").toLowerCase();
  return [status, names[type] ?? type, charset, coding, body.toString()];
}

test("A copy that fails changes nothing for the client, and is logged", async () => {
  const failing = (after: number) => ({
    ...runtime.files,
    createCopy: (...args: Parameters<typeof runtime.files.createCopy>) => {
      if (after === 0) throw new FileError("write", "x", "ENOSPC");
      const copy = runtime.files.createCopy(...args);
      return {
        ...copy,
        append: () => Promise.reject(new FileError("write", "x", "ENOSPC")),
        commit: () => copy.commit(),
        discard: () => copy.discard(),
      };
    },
  });
  for (const after of [0, 1]) {
    await withStore("true", css, async ({ gateway, root }) => {
      const response = await gateway.send("/a.css");
      assert.deepEqual([response.status, response.body.toString()], [200, "a {}"]);
      const line = await gateway.log.find(({ code }) => code === "store_failed");
      assert.deepEqual([line.errno, line.level], ["ENOSPC", "error"]);
      assert.deepEqual(readdirSync(root), []);
    }, failing(after));
  }
});

test("A copy goes where the route's prefix is taken off, and its root is", async () => {
  const root = temporaryDirectory();
  mkdirSync(join(root, "shop"));
  const text = `
upstreams: { app: { servers: ["\${env.APP}"], multiplex: "on" } }
sites:
  - routes:
      - path: /shop/*
        root: ${JSON.stringify(join(root, "shop"))}
        strip_prefix: /shop
        fastcgi: { upstream: app, store: true }
`;
  await withConfig({ text, application: css }, async (gateway) => {
    await gateway.send("/shop/t/a.css");
    await until(() => existsSync(join(root, "shop/t/a.css")), "the copy");
  });
});
