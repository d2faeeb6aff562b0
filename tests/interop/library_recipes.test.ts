/** The recipes of docs/library.md, as they are written, with real php-fpm and Go behind them. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { asProgram, runArguments } from "../docs/example_program.ts";
import { blocksOf, readText } from "../docs/pages.ts";
import { selfSigned } from "../support/certificates.ts";
import { Child } from "../support/child.ts";
import { missingPeer } from "../support/peers.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePlace, placeUrl, temporaryDirectory } from "../support/places.ts";
import { startApplication } from "./application.ts";
import { go } from "./go.ts";

const PAGE = "docs/library.md";
const blocks = blocksOf({ name: PAGE, text: readText(PAGE) }, "ts");

function recipe(heading: string): string {
  const text = readText(PAGE);
  const section = text.slice(text.indexOf(`## ${heading}`));
  return blocksOf({ name: PAGE, text: section }, "ts")[0]!;
}

/** Runs the recipe with real addresses and `more` behind it; resolves to what it printed. */
async function run(
  code: string,
  texts: Readonly<Record<string, string>>,
  more = "",
): Promise<string> {
  let program = asProgram(code.replace("export default app;", "") + more);
  for (const [from, to] of Object.entries(texts)) {
    assert.ok(program.includes(from), `The recipe has no "${from}"`);
    program = program.replaceAll(from, to);
  }
  const directory = temporaryDirectory();
  const file = join(directory, "recipe.ts");
  writeFileSync(file, program);
  const child = new Child(process.execPath, runArguments(file), { cwd: directory });
  const { code: status } = await child.exited;
  assert.equal(status, 0, child.stderr.lines.join("\n"));
  return child.stdout.lines.join("\n");
}

/** What asks an app of a recipe once, and ends. */
const ask = (path: string, upstream: string) =>
  `\nconst response = await app.request(${JSON.stringify(path)});
console.log(response.status, await response.text());
await ${upstream}.drain(1_000);\n`;

test("The page has its recipes", () => assert.equal(blocks.length, 7));

test("PHP behind a Hono app", { skip: missingPeer("php-fpm") }, async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "www"));
  writeFileSync(
    join(directory, "www/index.php"),
    '<?php echo "$_SERVER[SCRIPT_NAME] $_SERVER[REQUEST_URI] $_SERVER[DOCUMENT_ROOT]";',
  );
  const place = await freePlace("unix", directory);
  const fpm = await startPhpFpm({ directory, place, children: 2 });
  try {
    const texts = {
      "unix:/run/php/php-fpm.sock": placeUrl(place),
      "/srv/www": join(directory, "www"),
    };
    const code = recipe("PHP behind a Hono app");
    const printed = await run(code, texts, ask("/shop?x=1", "php"));
    assert.equal(printed, `200 /index.php /shop?x=1 ${join(directory, "www")}`);
    assert.equal(await run(code, texts, ask("/healthz", "php")), "200 ok\n");

    const { "/srv/www": _, ...socket } = texts;
    assert.equal(await run(recipe("One request"), socket), "200 pong");
  } finally {
    await fpm.stop();
  }
});

test("Go behind a Hono app", { skip: missingPeer("go") }, async () => {
  const directory = temporaryDirectory();
  await go.prepare(directory);
  const place = await freePlace("tcp", directory);
  const { child } = await startApplication(go, directory, place);
  try {
    const texts = { "tcp://127.0.0.1:9000": placeUrl(place) };
    const printed = await run(recipe("Go behind a Hono app"), texts, ask("/report", "go"));
    assert.match(printed, /^200 /);
  } finally {
    await child.stop();
  }
});

test("A fetch handler over HTTP/1.1 and HTTP/2, without and with certificates", async () => {
  const [plain, secure] = blocks.filter((block) => block.includes("serveHttp"));
  const asked = `
if (server.addr.transport !== "tcp") throw new Error(server.addr.transport);
const response = await fetch("http://127.0.0.1:" + server.addr.port, { method: "PUT" });
console.log(await response.text());
await server.shutdown();
`;
  const printed = await run(plain!, { "127.0.0.1:8080": "127.0.0.1:0" }, asked);
  assert.match(printed, /^listening[^]*\nPUT over HTTP\/1\.1\n$/);

  const directory = temporaryDirectory();
  for (const name of ["tls", "other"]) {
    const { cert, key } = selfSigned(`/CN=${name}.example`, `subjectAltName=DNS:${name}.example`);
    writeFileSync(join(directory, `${name}.crt`), cert);
    writeFileSync(join(directory, `${name}.key`), key);
  }
  const texts = {
    "/etc/afcgi/": `${directory}/`,
    ":8443": "127.0.0.1:0",
    "await serveHttp": "const server = await serveHttp",
  };
  const askedOverTls = `
if (server.addr.transport !== "tcp") throw new Error(server.addr.transport);
const { connect } = await import("node:tls");
for (const servername of ["tls.example", "other.example"]) {
  const options = { port: server.addr.port, host: "127.0.0.1", servername, rejectUnauthorized: false };
  await new Promise<void>((resolve) => {
    const socket = connect(options, () => {
      console.log(socket.getPeerCertificate().subjectaltname);
      socket.destroy();
      resolve();
    });
  });
}
await server.shutdown();
`;
  assert.deepEqual((await run(secure!, texts, askedOverTls)).split("\n"), [
    "DNS:tls.example",
    "DNS:other.example",
  ]);
});

test("A fetch handler as an application, and records", async () => {
  const end = "\nawait server.shutdown();\n";
  const code = recipe("A fetch handler as an application");
  assert.match(await run(code, { "127.0.0.1:9000": "127.0.0.1:0" }, end), /^listening/);
  assert.equal(await run(recipe("Records"), {}), "true hi");
});
