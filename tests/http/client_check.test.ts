/** Who is let in by a certificate, for every verdict, and which connection a request may come over. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Authorities } from "../../src/certificates/authorities.ts";
import type { ClientAuthOptions } from "../../src/certificates/options.ts";
import { compileClientCheck, isMisdirected } from "../../src/http/client_certificates.ts";
import type { RequestContext } from "../../src/http/request_context.ts";
import type { TlsDetails } from "../../src/runtime/tls_details.ts";

function contextOf(host: string, serverName: string | undefined | null): RequestContext {
  const tls: TlsDetails | undefined = serverName === null ? undefined : {
    serverName,
    version: "TLSv1.3",
    cipher: "none",
    protocol: undefined,
    certificate: undefined,
    intermediates: [],
  };
  const part: Pick<RequestContext, "peer" | "host"> = {
    peer: { host: "192.0.2.1", port: 1, tls },
    host: { name: host, port: undefined },
  };
  return part as RequestContext;
}

test("A verdict lets in, refuses or is left to the application, as the route says", () => {
  const refused = { status: 400, code: "client_certificate_refused" };
  const required = { status: 400, code: "client_certificate_required" };
  const table: [verdict: string, options: ClientAuthOptions, expected: unknown][] = [
    ["SUCCESS", { mode: "require", ca: "/ca" }, undefined],
    ["SUCCESS", { mode: "request", ca: "/ca" }, undefined],
    ["NONE", { mode: "require", ca: "/ca" }, required],
    ["NONE", { mode: "request", ca: "/ca" }, undefined],
    ["NONE", { mode: "request", ca: undefined }, undefined],
    ["FAILED:expired", { mode: "require", ca: "/ca" }, refused],
    ["FAILED:expired", { mode: "request", ca: "/ca" }, refused],
    ["FAILED:unknown", { mode: "require", ca: undefined }, refused],
    ["FAILED:unknown", { mode: "request", ca: undefined }, undefined],
  ];
  for (const [verdict, options, expected] of table) {
    let looked = 0;
    const context = contextOf("a.example", "a.example");
    const authorities: Pick<Authorities, "of"> = {
      of: (asked) => {
        looked++;
        assert.equal(asked, options);
        const verify = (tls: TlsDetails | undefined, nowMs: number) => {
          assert.deepEqual([tls, nowMs], [context.peer.tls, 77]);
          return verdict;
        };
        return { verify } as unknown as ReturnType<Authorities["of"]>;
      },
    };
    const check = compileClientCheck(options, authorities as Authorities, () => 77);
    assert.equal(looked, 0, "they may be read later");
    for (let time = 0; time < 2; time++) {
      assert.deepEqual(check(context), expected, `${verdict} ${options.mode} ${options.ca}`);
      assert.equal(context.clientVerdict, verdict);
    }
    assert.equal(looked, 1);
  }
});

test("A request has come over the right handshake if its name leads to the request's site", () => {
  const isSite = (name: string): boolean => name === "a.example";
  const isDefault = (name: string): boolean => name === "" || isSite(name);
  const table: [
    host: string,
    serverName: string | undefined | null,
    isWrong: boolean,
    bare: boolean,
  ][] = [
    ["a.example", null, false, false],
    ["a.example", "a.example", false, false],
    ["a.example", "b.example", true, true],
    ["a.example", undefined, true, false],
    ["192.0.2.1", undefined, false, false],
    ["[2001:db8::1]", undefined, false, false],
    ["2001:db8::1", undefined, false, false],
    ["192.0.2.1", "b.example", true, true],
    ["192.0.2.256", undefined, true, false],
  ];
  for (const [host, serverName, isWrong, withDefault] of table) {
    const context = contextOf(host, serverName);
    assert.equal(isMisdirected(context, isSite), isWrong, `${host} ${serverName}`);
    assert.equal(isMisdirected(context, isDefault), withDefault, `${host} ${serverName}`);
  }
});
