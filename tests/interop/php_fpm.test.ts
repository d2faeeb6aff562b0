/** php-fpm behind afcgi: never multiplexed, kept connections, a child for each. */
import assert from "node:assert/strict";
import { cpSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Afcgi } from "../support/afcgi.ts";
import { launchPhpFpm, startPhpFpm } from "../support/php_fpm.ts";
import { freePlace, placeName, placeUrl } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";
import { type Application, NETWORKS, sourcePath } from "./application.ts";
import { answersHello, commonTests, fieldsOf, type Fixture, pattern, sha256 } from "./common.ts";

const CHILDREN = 4;

const phpFpm: Application = {
  name: "php-fpm",
  peer: "php-fpm",
  supports: { values: { FCGI_MPXS_CONNS: "0" }, multiplexes: false, keepsConnection: true },
  prepare(directory) {
    // A copy, because the links out of the root below cannot be files of the repository.
    cpSync(sourcePath("php/root"), join(directory, "root"), { recursive: true });
    writeFileSync(join(directory, "outside.php"), "<?php echo 'never to be served';\n");
    writeFileSync(join(directory, "outside.txt"), "never to be served\n");
    for (const name of ["outside.php", "outside.txt"]) {
      symlinkSync(join("..", name), join(directory, "root", `link-${name}`));
    }
    return Promise.resolve();
  },
  start: (directory, place) => launchPhpFpm({ directory, place, children: CHILDREN }),
  flags: (directory, place) => [
    ...["--upstream", placeUrl(place)],
    ...["--root", join(directory, "root")],
    ...["--preset", "php"],
  ],
  config: (directory, place) => ({
    upstreams: { php: { servers: [placeUrl(place)], connections: { max: CHILDREN - 1 } } },
    sites: [{
      root: join(directory, "root"),
      routes: [
        { static: {} },
        { php: { upstream: "php", front_controller: "/index.php" } },
      ],
    }],
  }),
  requestFlags: (directory) => ["--script", join(directory, "root", "index.php")],
};

const started = commonTests(phpFpm);

interface Case {
  readonly says: string;
  run(fixture: Fixture): Promise<void>;
}

/** What a path must get without php-fpm having a say, and what must not be in the response. */
const REFUSED = [
  { target: "/missing.php", statuses: [404] },
  { target: "/.secret", statuses: [403, 404] },
  { target: "/link-outside.php", statuses: [403, 404] },
  { target: "/link-outside.txt", statuses: [403, 404] },
] as const;

/** These end below the root, where there is no such file; the front controller may say so. */
const CLIMBING = ["/../outside.txt", "/%2e%2e/outside.txt", "/a/..%2f..%2foutside.txt"] as const;

const CASES: readonly Case[] = [
  {
    says: "runs a script that sleeps, more at once than there are children",
    async run({ afcgi }) {
      const requests = Array.from(
        { length: 4 * CHILDREN },
        () => httpRequest(afcgi.port, { target: "/sleep.php?ms=20" }),
      );
      for (const response of await Promise.all(requests)) {
        assert.equal(response.status, 200);
        assert.equal(response.body.toString(), "slept\n");
      }
    },
  },
  {
    says: "gets a form with a file",
    async run({ afcgi }) {
      const file = pattern(300_000);
      const response = await httpRequest(afcgi.port, {
        method: "POST",
        target: "/upload.php",
        headers: { "Content-Type": 'multipart/form-data; boundary="limit"' },
        body: Buffer.concat([
          Buffer.from("--limit\r\n"),
          Buffer.from('Content-Disposition: form-data; name="file"; filename="a.bin"\r\n'),
          Buffer.from("Content-Type: application/octet-stream\r\n\r\n"),
          file,
          Buffer.from("\r\n--limit--\r\n"),
        ]),
      });
      assert.equal(response.status, 200, response.body.toString());
      assert.deepEqual(fieldsOf(response.body), {
        error: "0",
        length: String(file.length),
        sha256: sha256(file),
      });
    },
  },
  {
    says: "gets the parameters that its scripts expect",
    async run({ afcgi, directory }) {
      const response = await httpRequest(afcgi.port, { target: "/server.php/extra/path?q=1" });
      assert.equal(response.status, 200, response.body.toString());
      const server = JSON.parse(response.body.toString());
      const root = join(directory, "root");
      assert.equal(server.SCRIPT_FILENAME, join(root, "server.php"));
      assert.equal(server.SCRIPT_NAME, "/server.php");
      assert.equal(server.PATH_INFO, "/extra/path");
      assert.equal(server.DOCUMENT_ROOT, root);
      assert.equal(server.REQUEST_URI, "/server.php/extra/path?q=1");
      assert.equal(server.QUERY_STRING, "q=1");
      assert.equal(server.HTTP_HOST, "test.example");
      assert.equal(server.SERVER_PROTOCOL, "HTTP/1.1");
      assert.equal(server.REMOTE_ADDR, "127.0.0.1");
    },
  },
  {
    says: "has a fatal error: 500, and the message is a log line of that request",
    async run({ afcgi }) {
      const response = await httpRequest(afcgi.port, { target: "/fatal.php" });
      assert.equal(response.status, 500);
      const id = response.headers.get("x-request-id");
      const line = await afcgi.waitForLog((line) =>
        line.request_id !== undefined && JSON.stringify(line).includes("no_such_function")
      );
      assert.equal(typeof line.request_id, "string");
      assert.equal(line.upstream, "php");
      if (id !== undefined) assert.equal(line.request_id, id);
    },
  },
  {
    says: "writes to its log: a line each, of that request, not in the response",
    async run({ afcgi }) {
      const response = await httpRequest(afcgi.port, { target: "/log.php" });
      assert.equal(response.body.toString(), "logged\n");
      const holds = (text: string) => (line: Readonly<Record<string, unknown>>) =>
        line.request_id !== undefined && JSON.stringify(line).includes(text);
      const first = await afcgi.waitForLog(holds("first line of the script"));
      const second = await afcgi.waitForLog(holds("second line of the script"));
      assert.notEqual(first, second);
      assert.equal(first.request_id, second.request_id);
    },
  },
  {
    says: "does not see the files below the root: they are served as they are",
    async run({ afcgi }) {
      const response = await httpRequest(afcgi.port, { target: "/plain.txt" });
      assert.equal(response.status, 200);
      assert.equal(response.body.toString(), "plain text\n");
      assert.match(response.headers.get("content-type") ?? "", /^text\/plain/);
    },
  },
  {
    says: "does not see what must not be reached",
    async run({ afcgi }) {
      for (const { target, statuses } of REFUSED) {
        const response = await httpRequest(afcgi.port, { target });
        const seen = `${target}: ${response.status} ${response.body}`;
        assert.ok(statuses.some((status) => status === response.status), seen);
        assert.doesNotMatch(response.body.toString(), /never to be served/, seen);
        // php-fpm's own words for a script that is not there.
        assert.doesNotMatch(response.body.toString(), /File not found/, seen);
      }
      for (const target of CLIMBING) {
        const response = await httpRequest(afcgi.port, { target });
        assert.notEqual(response.status, 200, target);
        assert.doesNotMatch(response.body.toString(), /never to be served/, target);
      }
    },
  },
  {
    // It takes no parameter that lies in two records, and a record holds at most 65,535 bytes.
    says: "refuses a single header of 70 kB, which is a 502, and goes on",
    async run({ application, directory }) {
      // A php-fpm of its own: the other afcgi has kept connections to all children of the first.
      const place = await freePlace(application.place.network, directory);
      const fpm = await startPhpFpm({ directory, place, children: CHILDREN });
      const config = phpFpm.config(directory, place);
      const afcgi = await Afcgi.start({
        config: { ...config, limits: { request_header: "128KiB" } },
      });
      try {
        const headers = { "X-Long": "x".repeat(70_000) };
        const response = await httpRequest(afcgi.port, { target: "/header-length", headers });
        assert.equal(response.status, 502);
        await answersHello(afcgi, 5);
      } finally {
        await afcgi.stop();
        await fpm.stop();
      }
    },
  },
];

for (const network of NETWORKS) {
  for (const { says, run } of CASES) {
    test(`php-fpm over ${network} ${says}`, { skip: started.skip }, async () => {
      await run(started.get(network));
    });
  }
}

test("php-fpm is not asked for a script that does not exist, nor for what must not be reached", {
  skip: started.skip,
}, async () => {
  const { directory } = started.get("unix");
  // Nobody listens here: whatever reached the upstream would be a 502.
  const place = await freePlace("unix", directory);
  const afcgi = await Afcgi.start({ args: phpFpm.flags(directory, place) ?? [] });
  try {
    for (const { target, statuses } of REFUSED) {
      const { status } = await httpRequest(afcgi.port, { target });
      assert.ok(statuses.some((expected) => expected === status), `${target}: ${status}`);
    }
    const reached = await httpRequest(afcgi.port, { target: "/index.php" });
    assert.equal(reached.status, 502);
    await afcgi.waitForLog((line) => JSON.stringify(line).includes(placeName(place)));
  } finally {
    await afcgi.stop();
  }
});
