/** What every application must give to `afcgi request`, without a gateway in between. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { AFCGI, runAfcgi } from "../support/afcgi.ts";
import { type Place, placeUrl } from "../support/places.ts";
import { type Application, runPeer } from "./application.ts";
import { fieldsOf, type fixtures, pattern, sha256 } from "./common.ts";

const BODY_LENGTH = 300_000;
const BIG = 4 * 1024 * 1024;

/** Where the application is, and how it is asked. */
interface Asked {
  readonly directory: string;
  readonly url: string;
  readonly flags: readonly string[];
}

interface Case {
  readonly says: string;
  run(asked: Asked): Promise<void>;
}

/** Registers the cases for an application over one kind of socket. */
export function terminalTests(
  application: Application,
  network: Place["network"],
  started: ReturnType<typeof fixtures>,
): void {
  for (const { says, run } of CASES) {
    const name = `${application.name} over ${network}, asked by afcgi request, ${says}`;
    test(name, { skip: started.skip }, async () => {
      const { directory, application: { place } } = started.get(network);
      const flags = application.requestFlags?.(directory) ?? [];
      await run({ directory, url: placeUrl(place), flags });
    });
  }
  const name = `${application.name} over ${network} is found out by afcgi probe`;
  test(name, { skip: started.skip }, async () => {
    const url = placeUrl(started.get(network).application.place);
    const { code, stdout, stderr } = await runAfcgi(["probe", "--json", url]);
    assert.deepEqual([code, stderr], [0, ""]);
    const { address, values, multiplexes, keepsConnection, connectMs, answerMs } = JSON.parse(
      stdout,
    );
    assert.equal(address, url);
    assert.deepEqual({ values, multiplexes, keepsConnection }, application.supports);
    assert.ok(connectMs >= 0 && answerMs > 0, stdout);
  });
}

const CASES: readonly Case[] = [
  {
    says: "answers a GET",
    async run({ url, flags }) {
      const { code, stdout, stderr } = await runAfcgi(["request", url, "/hello", ...flags]);
      assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "hello", stderr: "" });
    },
  },
  {
    says: "gets a file as the body, a query and a header",
    async run({ directory, url, flags }) {
      const file = join(directory, "request-body");
      const body = pattern(BODY_LENGTH);
      writeFileSync(file, body);
      const { code, stdout, stderr } = await runAfcgi([
        ...["request", url, "/echo?a=1&b=%20", "--body", file],
        ...["--header", "X-Test: some value", "--header", "Content-Type: application/octet-stream"],
        ...flags,
      ]);
      assert.equal(code, 0, stderr);
      assert.deepEqual(fieldsOf(Buffer.from(stdout)), {
        method: "POST",
        length: String(BODY_LENGTH),
        sha256: sha256(body),
        content_length: String(BODY_LENGTH),
        query: "a=1&b=%20",
        x_test: "some value",
      });
    },
  },
  {
    says: "gets standard input with its exact length, and sends 4 MiB to a file byte for byte",
    async run({ directory, url, flags }) {
      const input = join(directory, "request-input");
      const output = join(directory, "request-output");
      writeFileSync(input, pattern(BODY_LENGTH));
      const asked = [AFCGI, "request", url, ...flags];
      // "$@" keeps each word as it is.
      await runPeer("sh", [
        ...["-c", `cat ${input} | "$@" > ${output}`, "sh"],
        ...[...asked, "/echo", "-H", "Content-Type: application/octet-stream", "--body", "-"],
      ]);
      const fields = fieldsOf(readFileSync(output));
      assert.equal(fields.content_length, String(BODY_LENGTH));
      assert.equal(fields.sha256, sha256(pattern(BODY_LENGTH)));
      await runPeer("sh", ["-c", `"$@" > ${output}`, "sh", ...asked, `/bytes?n=${BIG}`]);
      assert.equal(sha256(readFileSync(output)), sha256(pattern(BIG)));
    },
  },
  {
    says: "answers 404: shown with -i, told on standard error, status 1",
    async run({ url, flags }) {
      const asked = ["request", "-i", url, "/nothing-here", ...flags];
      const { code, stdout, stderr } = await runAfcgi(asked);
      assert.equal(code, 1);
      assert.match(stdout, /^Status: 404\n/);
      assert.equal(stderr, `afcgi: ${url} answered with status 404`);
    },
  },
];
