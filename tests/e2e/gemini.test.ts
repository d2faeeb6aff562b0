/** Gemini through the executable: the demo, the example, the client of `afcgi request`. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { AFCGI, Afcgi, runAfcgi } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import { FaultPeer, ResponseRecords } from "../support/fault_peer.ts";
import { missingPeer } from "../support/peers.ts";
import { freePlace, placeUrl, temporaryDirectory } from "../support/places.ts";
import { rawTls } from "../support/raw_tls.ts";

const skip = missingPeer("openssl");
const LOCALHOST = ["-servername", "localhost"];

async function startDemo(home: string): Promise<{ demo: Child; url: string }> {
  const args = ["demo", "--listen", "127.0.0.1:0", "--gemini=127.0.0.1:0"];
  const demo = new Child(AFCGI, args, { env: { XDG_DATA_HOME: home } });
  const line = await demo.stdout.waitFor((text) => text.includes("gemini://"));
  await demo.stdout.waitFor((text) => text.startsWith("Ctrl-C"));
  return { demo, url: /gemini:\/\/\S+/.exec(line)![0] };
}

test("The demo prints a Gemini address that afcgi request can open", async () => {
  const home = temporaryDirectory();
  const { demo, url } = await startDemo(home);
  const env = { XDG_DATA_HOME: home };
  const page = await runAfcgi(["request", "-i", url], { env });
  assert.equal(page.code, 0, page.stderr);
  assert.match(page.stdout, /^20 text\/gemini\r?\n# afcgi\n/);
  assert.match(page.stderr, /is trusted from now on: SHA256:[0-9a-f]{64}/);
  const params = await runAfcgi(["request", `${url}env`], { env });
  assert.equal(params.stderr, "");
  assert.match(params.stdout, /^SERVER_PROTOCOL=GEMINI$/m);
  const missing = await runAfcgi(["request", `${url}status?code=404`], { env });
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /answered 51 /);
  assert.deepEqual(await demo.stop("SIGTERM"), { code: 0, signal: null });
});

test("afcgi request refuses a host that shows another certificate than before", async () => {
  const home = temporaryDirectory();
  const { demo, url } = await startDemo(home);
  const known = join(home, "known");
  const host = new URL(url).host;
  writeFileSync(known, `${host} SHA256:${"0".repeat(64)} 2999-01-01T00:00:00Z\n`);
  const changed = await runAfcgi(["request", "--known-hosts", known, url]);
  assert.equal(changed.code, 1);
  assert.match(changed.stderr, /shows another certificate than before/);
  assert.equal(changed.stdout, "");
  await demo.stop("SIGTERM");
});

test("afcgi request says what of its flags Gemini has no use for", async () => {
  const { code, stderr } = await runAfcgi(["request", "-X", "POST", "gemini://localhost/"]);
  assert.equal(code, 2);
  assert.match(stderr, /--method: Gemini has none/);
  const bad = await runAfcgi(["request", "gemini://user@localhost/"]);
  assert.equal(bad.code, 2);
  assert.match(bad.stderr, /userinfo/);
});

test(
  "examples/gemini.yaml serves files, redirects and asks for certificates",
  { skip },
  async () => {
    const directory = temporaryDirectory();
    const root = join(directory, "public");
    mkdirSync(root);
    writeFileSync(join(root, "index.gmi"), "# Example\n");
    const example = fileURLToPath(new URL("../../examples/gemini.yaml", import.meta.url));
    const text = readFileSync(example, "utf8")
      .replace(":1965", "127.0.0.1:0")
      .replace("[example.com,", "[localhost, example.com,")
      .replace("/var/lib/afcgi/gemini", join(directory, "store"))
      .replace("/srv/www/public", root)
      .replace("/run/app.sock", join(directory, "app.sock"));
    const config = join(directory, "gemini.yaml");
    writeFileSync(config, text);
    const child = new Child(AFCGI, ["serve", "--config", config]);
    const line = JSON.parse(await child.stderr.waitFor((it) => it.includes('"listening"')));
    assert.equal(line.scheme, "gemini");
    const port = Number(/:(\d+)$/.exec(line.address)![1]);
    const ask = async (path: string) =>
      (await rawTls(port, `gemini://localhost:${port}${path}\r\n`, LOCALHOST)).text;
    assert.equal(await ask("/"), "20 text/gemini; charset=utf-8; lang=en\r\n# Example\n");
    assert.equal(await ask("/old"), "31 gemini://localhost/new/old\r\n");
    assert.match(await ask("/private/x"), /^60 /);
    assert.match(await ask("/app/x"), /^43 /);
    assert.deepEqual(await child.stop("SIGTERM"), { code: 0, signal: null });
  },
);

/** What an application writes for each path, and whether it then ends its request well. */
const RESPONSES: Readonly<Record<string, readonly [stdout: string, then: "end" | "close"]>> = {
  "/whole": ["20 text/gemini\r\n# Hello\n", "end"],
  "/input": ["10 Your name?\r\n", "end"],
  "/body-behind-51": ["51 gone\r\nbody", "end"],
  "/lf-alone": ["20 text/gemini\n# Hello\n", "end"],
  "/cgi": ["Content-Type: text/gemini\r\n\r\n# Hello\n", "end"],
  "/nothing": ["", "end"],
  "/half-header": ["20 text/gem", "end"],
  "/gone": ["", "close"],
  "/broken": ["20 text/gemini\r\nhalf", "close"],
};

test("An application's own header goes out as it is, and a response that breaks off is cut", {
  skip,
}, async () => {
  const directory = temporaryDirectory();
  const peer = await FaultPeer.start(await freePlace("unix", directory));
  const half = Promise.withResolvers<void>();
  peer.behaviour = {
    onRequest: ({ id, params, connection }) => {
      const path = params.get("PATH_INFO") ?? "";
      const [stdout, then] = RESPONSES[path]!;
      const response = new ResponseRecords().stdout(id, stdout);
      if (then === "end") return connection.send(response.stdoutEnd(id).end(id));
      connection.send(response);
      // Only once its first half is with the client is it a response that broke off.
      if (path === "/broken") void half.promise.then(() => connection.close());
      else connection.close();
    },
  };
  const afcgi = await Afcgi.start({
    config: {
      upstreams: { app: { servers: [placeUrl(peer.place)], multiplex: "on" } },
      listen: undefined,
      gemini: [{
        listen: "127.0.0.1:0",
        hosts: ["localhost"],
        tls: { self_signed: true, store: join(directory, "store") },
        routes: [{ fastcgi: { upstream: "app" } }],
      }],
    },
  });
  const table: readonly (readonly [path: string, text: RegExp, ended: boolean])[] = [
    ["/whole", /^20 text\/gemini\r\n# Hello\n$/, true],
    ["/input", /^10 Your name\?\r\n$/, true],
    ["/body-behind-51", /^51 gone\r\n$/, true],
    ["/lf-alone", /^42 /, true],
    ["/cgi", /^42 /, true],
    ["/nothing", /^42 /, true],
    ["/half-header", /^42 /, true],
    ["/gone", /^42 /, true],
    ["/broken", /^20 text\/gemini\r\nhalf$/, false],
  ];
  for (const [path, text, ended] of table) {
    const response = await rawTls(
      afcgi.port,
      `gemini://localhost:${afcgi.port}${path}\r\n`,
      LOCALHOST,
      () => half.resolve(),
    );
    assert.match(response.text, text, path);
    assert.equal(response.ended, ended, path);
  }
  await afcgi.stop();
  await peer.stop();
});
