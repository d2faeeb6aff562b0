import assert from "node:assert/strict";
import { test } from "node:test";
import { Authorities } from "../../src/certificates/authorities.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { type CertificateFacts, TlsError } from "../../src/runtime/tls.ts";

/** A runtime in which a file has so many certificates, or cannot be read. */
function world(count: number | Error) {
  const read: string[] = [];
  const runtime = {
    files: {
      readText: (path: string) => {
        read.push(path);
        return typeof count === "number" ? Promise.resolve(path) : Promise.reject(count);
      },
    },
    tls: {
      readCertificates: () => Array.from({ length: Number(count) }, () => ({} as CertificateFacts)),
    },
  } as unknown as Pick<Runtime, "files" | "tls">;
  return { read, runtime };
}

test("A file of authorities is read once, and each has a verification of its own", async () => {
  const { read, runtime } = world(1);
  const authorities = new Authorities();
  for (const path of ["/a", "/b", "/a"]) await authorities.read(path, runtime);
  assert.deepEqual(read, ["/a", "/b"]);
  assert.equal(authorities.of({ ca: "/a" }), authorities.of({ ca: "/a" }));
  assert.notEqual(authorities.of({ ca: "/a" }), authorities.of({ ca: "/b" }));
  const nobody = authorities.of({ ca: undefined });
  assert.equal(authorities.of({ ca: "/never read" }), nobody);
  assert.notEqual(authorities.of({ ca: "/a" }), nobody);
});

test("A file without certificates, or that cannot be read, is told by its path and used for nothing", async () => {
  const cases: [count: number | Error, message: RegExp][] = [
    [0, /^Cannot use the authorities in "\/a": there is no certificate in PEM form in it$/],
    [new Error("gone"), /^Cannot use the authorities in "\/a": gone$/],
  ];
  for (const [count, message] of cases) {
    const authorities = new Authorities();
    await assert.rejects(
      authorities.read("/a", world(count).runtime),
      (error) => error instanceof TlsError && message.test(error.message),
    );
    assert.equal(authorities.of({ ca: "/a" }), authorities.of({ ca: undefined }));
  }
});
