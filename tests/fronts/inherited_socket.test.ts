/**
 * The application side on a listening socket that somebody else has opened: spawn-fcgi leaves it as
 * descriptor 0, a systemd socket unit as descriptor 3. Asked of the executable, and of a program of
 * the library's under Bun and under Deno.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { runPeer } from "../interop/application.ts";
import { pattern, sha256 } from "../interop/common.ts";
import { UpstreamError } from "../../src/upstream/errors.ts";
import { FastCgiClient } from "../../src/upstream/fastcgi_client.ts";
import { AFCGI } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import { missingPeer, PEER_PATH } from "../support/peers.ts";
import {
  freePlace,
  type Place,
  placeUrl,
  temporaryDirectory,
  waitForListener,
  waitUntil,
} from "../support/places.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MIB = 1024 * 1024;
const skip = missingPeer("spawn-fcgi");
const directory = temporaryDirectory();

/** A program with the library that answers with what it was sent. */
function libraryProgram(listen: string): string {
  const path = join(directory, `${crypto.randomUUID()}.ts`);
  const library = JSON.stringify(pathToFileURL(join(ROOT, "mod.ts")).href);
  writeFileSync(
    path,
    `import { serveFastCgi } from ${library};
import process from "node:process";
const server = await serveFastCgi(
  async (request) => new Response(await request.bytes()),
  { listen: ${JSON.stringify(listen)}, onError: (error) => console.error(error) },
);
process.on("SIGTERM", () => void server.shutdown({ grace: 0 }).then(() => process.exit()));
`,
  );
  return path;
}

const PROGRAMS: Readonly<Record<string, (listen: string) => readonly string[]>> = {
  "the executable": (listen) => [AFCGI, "responder", "--listen", listen],
  "the library on Bun": (listen) => [join(ROOT, "node_modules/.bin/bun"), libraryProgram(listen)],
  "the library on Deno": (listen) => [
    join(ROOT, "node_modules/.bin/deno"),
    "run",
    "-A",
    "--no-check",
    `--config=${join(ROOT, "deno.json")}`,
    "--quiet",
    libraryProgram(listen),
  ],
};

/** spawn-fcgi opens the socket and becomes the program. */
function spawnFcgi(
  place: Place,
  program: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Child {
  return new Child("spawn-fcgi", ["-n", ...placeFlags(place), "--", ...program], {
    env: { PATH: PEER_PATH, ...env },
    cwd: ROOT,
  });
}

function placeFlags(place: Place): string[] {
  return place.network === "tcp"
    ? ["-a", place.host, "-p", String(place.port)]
    : ["-s", place.path];
}

/** The response to a POST; the socket takes connections before the program does. */
async function ask(
  place: Place,
  body: Uint8Array<ArrayBuffer>,
  uri = "/echo",
): Promise<Uint8Array> {
  const client = new FastCgiClient(placeUrl(place));
  try {
    const params = [["REQUEST_METHOD", "POST"], ["REQUEST_URI", uri]] as const;
    const response = await client.request({ params, body });
    assert.equal(response.status, 200);
    return new Uint8Array(await new Response(response.body as BodyInit).arrayBuffer());
  } finally {
    await client.close();
  }
}

const HELLO = new TextEncoder().encode("hello");

for (const network of ["tcp", "unix"] as const) {
  for (const [name, program] of Object.entries(PROGRAMS)) {
    test(`On ${name}, a ${network} socket left by spawn-fcgi is served`, { skip }, async () => {
      const place = await freePlace(network, directory);
      const child = spawnFcgi(place, program("fd:0"));
      try {
        await waitForListener(place);
        assert.deepEqual(await ask(place, HELLO), HELLO);
        const big = new Uint8Array(pattern(4 * MIB));
        assert.equal(sha256(await ask(place, big)), sha256(big));
      } finally {
        assert.deepEqual(await child.stop(), { code: 0, signal: null });
      }
    });
  }
}

test(
  "afcgi responder takes the socket that it was left without being told to",
  { skip },
  async () => {
    const place = await freePlace("unix", directory);
    const child = spawnFcgi(place, [AFCGI, "responder"]);
    try {
      await waitForListener(place);
      assert.deepEqual(await ask(place, HELLO), HELLO);
      await child.stderr.waitFor((line) => line.includes('"address":"fd:0"'));
    } finally {
      await child.stop();
    }
  },
);

test("A socket under descriptor 3, as systemd leaves it, is served", { skip }, async () => {
  const place = await freePlace("unix", directory);
  const script = 'exec 3<&0 </dev/null; exec "$0" responder --listen fd:3';
  const child = spawnFcgi(place, ["/bin/sh", "-c", script, AFCGI]);
  try {
    await waitForListener(place);
    assert.deepEqual(await ask(place, HELLO), HELLO);
  } finally {
    await child.stop();
  }
});

test(
  "Processes that share a socket serve it as long as one of them is there",
  { skip },
  async () => {
    const place = await freePlace("unix", directory);
    const pidFile = join(directory, "shared.pid");
    const program = [...placeFlags(place), "-F", "2", "-P", pidFile, "--", AFCGI, "responder"];
    await runPeer("spawn-fcgi", program);
    const [first, second] = readFileSync(pidFile, "utf8").match(/\d+/g)!.map(Number);
    try {
      assert.deepEqual(await ask(place, HELLO), HELLO);
      process.kill(first!, "SIGTERM");
      await waitUntil(() => !isRunning(first!), "the end of the first process");
      assert.deepEqual(await ask(place, HELLO), HELLO);
    } finally {
      for (const pid of [first!, second!]) if (isRunning(pid)) process.kill(pid, "SIGTERM");
      await waitUntil(() => !isRunning(second!), "the end of the second process");
    }
  },
);

/** False too for one that has ended and that nobody has waited for yet. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

test("Of FCGI_WEB_SERVER_ADDRS each may connect, and nobody else", { skip }, async () => {
  for (
    const [addresses, network, isTaken] of [
      ["192.0.2.7,127.0.0.1", "tcp", true],
      ["192.0.2.7", "tcp", false],
      ["127.0.0.1", "unix", false],
    ] as const
  ) {
    const place = await freePlace(network, directory);
    const child = spawnFcgi(place, [AFCGI, "responder"], { FCGI_WEB_SERVER_ADDRS: addresses });
    try {
      await waitForListener(place);
      if (isTaken) assert.deepEqual(await ask(place, HELLO), HELLO);
      else await assert.rejects(ask(place, HELLO), UpstreamError);
    } finally {
      await child.stop();
    }
  }
});

test("afcgi responder ends without a response when it is told to die", { skip }, async () => {
  const place = await freePlace("unix", directory);
  const child = spawnFcgi(place, [AFCGI, "responder"]);
  await waitForListener(place);
  await assert.rejects(ask(place, HELLO, "/die"), UpstreamError);
  assert.deepEqual(await child.exited, { code: 1, signal: null });
});
