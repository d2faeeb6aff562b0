/**
 * What every PHP example must do once it is started as its file says. Each `*.test.ts` beside this one
 * runs the table for one directory of `examples/`. The directory is copied, for its application
 * writes; the file is used as it is, with flags in the place of the lines that a user would change.
 */
import assert from "node:assert/strict";
import { chmodSync, cpSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { Afcgi, runAfcgi } from "../support/afcgi.ts";
import { missingPeer, type PeerName } from "../support/peers.ts";
import { temporaryDirectory } from "../support/places.ts";
import { httpRequest, type HttpResponse } from "../support/raw_http.ts";

/** More than PHP takes where nobody says so (2 MiB). */
const PICTURE_LENGTH = 3 * 1024 * 1024;

/** By which applications know a picture. */
const PNG_BEGINNING = Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "latin1");

export interface Example {
  /** The directory's name. */
  readonly name: string;
  readonly peer: PeerName;
  /** Directories below it to which the application writes. */
  readonly writable: readonly string[];
  /** Where its forms go, and where it puts what is uploaded. */
  readonly form: string;
  readonly upload: string;
  readonly uploads: string;
  /** Its heading. */
  readonly title: string;
  /** Variables that the file refers to. */
  readonly env?: Readonly<Record<string, string>>;
  /** Starts what the file expects to be there; resolves to flags, and how to stop it. */
  beside?(directory: string): Promise<Beside>;
}

export interface Beside {
  readonly flags: readonly string[];
  stop(): Promise<unknown>;
}

/**
 * A copy of a directory of `examples/` that every user may read, and PHP may write to where it
 * must.
 */
export function copyExample(name: string, writable: readonly string[] = []): string {
  const directory = join(temporaryDirectory(), name);
  cpSync(fileURLToPath(new URL(`../../examples/${name}`, import.meta.url)), directory, {
    recursive: true,
    verbatimSymlinks: true,
  });
  for (const path of writable) chmodSync(join(directory, path), 0o777);
  return directory;
}

/** Starts an example by its file; nothing but where it listens is ours. */
export function startExample(
  config: string,
  flags: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Afcgi> {
  return Afcgi.start({ args: ["--config", config, "--admin", "off", ...flags], env });
}

/** Registers the table; what it started can be asked for in tests. */
export function exampleTests(example: Example): () => Running {
  const skip = missingPeer(example.peer);
  let running: Running | undefined;
  let beside: Beside | undefined;
  before(async () => {
    if (skip) return;
    const directory = copyExample(example.name, example.writable);
    beside = await example.beside?.(directory);
    const config = join(directory, "afcgi.yaml");
    running = { directory, afcgi: await startExample(config, beside?.flags, example.env) };
  });
  after(async () => {
    await running?.afcgi.stop();
    await beside?.stop();
  });
  for (const { says, run } of CASES) {
    test(`${example.name} ${says}`, { skip }, async () => {
      assert.ok(running, `${example.name} did not start`);
      await run(running, example);
    });
  }
  return () => running!;
}

/** An example that has been started. */
export interface Running {
  readonly directory: string;
  readonly afcgi: Afcgi;
}

interface Case {
  readonly says: string;
  run(running: Running, example: Example): Promise<void>;
}

const CASES: readonly Case[] = [
  {
    says: "has a file without an error",
    async run({ directory }, { env = {} }) {
      const { code, stderr } = await runAfcgi(["check", "-c", join(directory, "afcgi.yaml")], {
        env,
      });
      assert.equal(code, 0, stderr);
    },
  },
  {
    says: "shows its front page",
    async run({ afcgi }, { title }) {
      const response = await httpRequest(afcgi.port, { target: "/" });
      assert.equal(response.status, 200, response.body.toString());
      assert.match(response.headers.get("content-type") ?? "", /^text\/html/);
      assert.match(response.body.toString(), new RegExp(`<h1>${title}</h1>`));
    },
  },
  {
    says: "gives pretty paths, and those that are nothing, to its front controller",
    async run({ afcgi }) {
      const page = await httpRequest(afcgi.port, { target: "/hello/Ad%C3%A9la?a=1" });
      assert.equal(page.status, 200, page.body.toString());
      assert.match(page.body.toString(), /Hello, Adéla/);
      const nothing = await httpRequest(afcgi.port, { target: "/no/such/page" });
      assert.equal(nothing.status, 404);
      assert.match(nothing.headers.get("content-type") ?? "", /^text\/html/);
    },
  },
  {
    says: "serves its style sheet without PHP, and not twice to who has it",
    async run({ afcgi }) {
      const response = await httpRequest(afcgi.port, { target: "/style.css" });
      assert.equal(response.status, 200);
      assert.match(response.headers.get("content-type") ?? "", /^text\/css/);
      assert.match(response.body.toString(), /font-family/);
      const headers = { "If-None-Match": response.headers.get("etag") ?? "" };
      assert.equal((await httpRequest(afcgi.port, { target: "/style.css", headers })).status, 304);
    },
  },
  {
    says: "takes a form and shows what came of it",
    async run({ afcgi }, { form }) {
      const response = await httpRequest(afcgi.port, {
        method: "POST",
        target: form,
        headers: { "Content-Type": "application/x-www-form-urlencoded" },
        body: "name=Grace+Hopper",
      });
      const target = seenElsewhere(response);
      assert.equal(target, "/hello/Grace%20Hopper");
      const page = await httpRequest(afcgi.port, { target });
      assert.match(page.body.toString(), /Hello, Grace Hopper/);
    },
  },
  {
    says: "takes a picture of 3 MiB and shows it, every byte in its place",
    async run({ afcgi }, example) {
      const picture = Buffer.alloc(PICTURE_LENGTH, Uint8Array.from({ length: 251 }, (_, i) => i));
      picture.set(PNG_BEGINNING);
      const response = await upload(afcgi, example, "a picture.png", picture);
      const target = seenElsewhere(response);
      assert.ok(target.startsWith(`${example.uploads}/`), target);
      const shown = await httpRequest(afcgi.port, { target });
      assert.equal(shown.status, 200);
      assert.equal(shown.headers.get("content-type"), "image/png");
      assert.ok(shown.body.equals(picture), "another picture");
    },
  },
  {
    says: "runs no script that was uploaded, under no name of it",
    async run({ afcgi, directory }, example) {
      const { uploads } = example;
      const proof = join(directory, "proof");
      const script = Buffer.from(`<?php touch(${JSON.stringify(proof)}); echo 6 * 7;`);
      const uploaded = seenElsewhere(await upload(afcgi, example, "evil.php", script));
      // The application may have given it another name, or be talked into any: as if it had been.
      for (const name of ["evil.php", "evil.PHP", "evil.phtml", "index.php"]) {
        writeFileSync(join(directory, "public", uploads, name), script);
      }
      const names = ["evil.php", "evil.php/a.png", "evil%2ephp", "evil.PHP", "evil.phtml", ""];
      for (const target of [uploaded, ...names.map((name) => `${uploads}/${name}`)]) {
        const response = await httpRequest(afcgi.port, { target });
        if (response.status !== 200) {
          assert.ok([403, 404].includes(response.status), `${response.status}`);
        } else assert.doesNotMatch(response.headers.get("content-type") ?? "", /html|php/, target);
        if (target !== uploaded) assert.notEqual(response.status, 200, target);
      }
      assert.equal(existsSync(proof), false, "the script has run");
    },
  },
  {
    says: "shows no hidden file and nothing beside its root",
    async run({ afcgi, directory }, { uploads }) {
      writeFileSync(join(directory, "public/.env"), "secret of a hidden file");
      writeFileSync(join(directory, "beside.txt"), "secret beside the root");
      const hidden = ["/.env", "/%2eenv", `${uploads}/.gitignore`];
      const beside = ["/../beside.txt", "/%2e%2e/beside.txt", "/a/..%2f..%2fbeside.txt"];
      for (const target of [...hidden, ...beside]) {
        const response = await httpRequest(afcgi.port, { target });
        assert.ok([400, 403, 404].includes(response.status), `${target}: ${response.status}`);
        assert.doesNotMatch(response.body.toString(), /secret|gitignore/, target);
      }
    },
  },
];

/** Sends a file as a browser's form does. */
function upload(
  { port }: Afcgi,
  example: Pick<Example, "upload">,
  name: string,
  bytes: Uint8Array,
): Promise<HttpResponse> {
  return httpRequest(port, {
    method: "POST",
    target: example.upload,
    headers: { "Content-Type": 'multipart/form-data; boundary="limit"' },
    body: Buffer.concat([
      Buffer.from(`--limit\r\nContent-Disposition: form-data; name="picture"; `),
      Buffer.from(`filename="${name}"\r\nContent-Type: image/png\r\n\r\n`),
      bytes,
      Buffer.from("\r\n--limit--\r\n"),
    ]),
  });
}

/** The path of the page to which a form's response leads. */
function seenElsewhere(response: HttpResponse): string {
  assert.ok([302, 303].includes(response.status), `${response.status} ${response.body}`);
  const location = response.headers.get("location") ?? "";
  return location.replace(/^http:\/\/test\.example/, "");
}
