/**
 * Who gets what of the admin address: each page by each method, each host, each way in which a browser
 * says that a page sends it, and the address for probes beside it. What changes something happens once
 * where it is allowed, and else never.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type AdminDeps, type AdminReload, createAdmin } from "../../src/http/admin.ts";
import type { HttpPeer } from "../../src/runtime/connection.ts";

interface Asked {
  readonly method?: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Empty: over a unix socket. */
  readonly from?: string;
}

/** What came back, and how often the configuration was read again. */
interface Got {
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly text: string;
  readonly reloads: number;
}

const WELL: AdminReload = { ok: true, generation: 3, warnings: [] };

async function ask(
  { method = "GET", target, headers = {}, from = "10.0.0.1" }: Asked,
  given: Partial<AdminDeps> = {},
  result = WELL,
): Promise<Got> {
  let reloads = 0;
  const admin = createAdmin({
    metrics: { render: () => "metrics" },
    upstreams: [],
    version: "1.2.3",
    hosts: ["admin.example"],
    isReady: () => true,
    reload: () => {
      reloads++;
      return Promise.resolve(result);
    },
    ...given,
  });
  const request = {
    method,
    url: target,
    headers: new Headers({ Host: "127.0.0.1", ...headers }),
    body: null,
    signal: new AbortController().signal,
  };
  const response = await admin(request, { host: from, port: 1 } as HttpPeer);
  const fields = Object.fromEntries(response.fields);
  const text = new TextDecoder().decode(response.body);
  return { status: response.status, fields, text, reloads };
}

const PROBES = ["/livez", "/readyz", "/metrics"];
const READ = [...PROBES, "/status"];
const NOWHERE = ["/", "/reload/", "/status/", "/statusx", "/livez.txt", "/status/x"];

test("Each page is read by GET and HEAD, and reload is asked for by POST alone", async () => {
  for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE", "get"]) {
    for (const isForProbes of [false, true]) {
      for (const target of [...READ, "/reload", ...NOWHERE]) {
        const isShown = isForProbes ? PROBES.includes(target) : !NOWHERE.includes(target);
        const isRead = method === "GET" || method === "HEAD";
        const mayBe = target === "/reload" ? method === "POST" : isRead;
        const expected = !isShown ? 404 : mayBe ? 200 : 405;
        const { status, fields, reloads } = await ask({ method, target }, { isForProbes });
        const what = `${method} ${target} ${isForProbes}`;
        assert.equal(status, expected, what);
        assert.equal(reloads, target === "/reload" && expected === 200 ? 1 : 0, what);
        const allow = target === "/reload" ? "POST" : "GET, HEAD";
        assert.equal(fields["allow"], expected === 405 ? allow : undefined, what);
        assert.equal(fields["cache-control"], "no-store", what);
        assert.equal(fields["x-content-type-options"], "nosniff", what);
      }
    }
  }
});

/** Over the network; over a unix socket every one may. */
const HOSTS: Readonly<Record<string, boolean>> = {
  "127.0.0.1": true,
  "10.9.8.7:9180": true,
  "[::1]": true,
  "[2001:db8::1]:80": true,
  localhost: true,
  "LOCALHOST:1": true,
  "admin.example": true,
  "Admin.Example.:9180": true,
  "xadmin.example": false,
  "admin.example.evil.example": false,
  "evil.example": false,
  "127.0.0.1.evil.example": false,
  "127.1": false,
  "[::1": false,
  "a b": false,
  "": false,
};

test("Who leads a name of its own to it reads nothing and changes nothing", async () => {
  for (const [host, isOwn] of Object.entries(HOSTS)) {
    for (const target of [...READ, "/reload", "/"]) {
      const method = target === "/reload" ? "POST" : "GET";
      const found = target === "/" ? 404 : 200;
      for (const from of ["10.0.0.1", ""]) {
        const { status, reloads } = await ask({ method, target, from, headers: { Host: host } });
        const mayAsk = isOwn || from === "";
        assert.equal(status, mayAsk ? found : 403, `${host} ${target} ${from}`);
        assert.equal(reloads, mayAsk && target === "/reload" ? 1 : 0);
      }
    }
  }
});

/** What a browser says of who sends it. */
const SENDERS: readonly (readonly [headers: Readonly<Record<string, string>>, mayAct: boolean])[] =
  [
    [{}, true],
    [{ "Sec-Fetch-Site": "none" }, true],
    [{ "Sec-Fetch-Site": "same-origin" }, false],
    [{ "Sec-Fetch-Site": "same-site" }, false],
    [{ "Sec-Fetch-Site": "cross-site" }, false],
    [{ "Sec-Fetch-Site": "" }, false],
    [{ Origin: "https://evil.example" }, false],
    [{ Origin: "null" }, false],
    [{ Origin: "http://127.0.0.1" }, false],
    [{ Origin: "" }, false],
    [{ Origin: "null", "Sec-Fetch-Site": "none" }, false],
  ];

test("No page in a browser has anything changed, whatever else it may read", async () => {
  for (const [headers, mayAct] of SENDERS) {
    const said = JSON.stringify(headers);
    const acted = await ask({ method: "POST", target: "/reload", headers });
    assert.deepEqual([acted.status, acted.reloads], mayAct ? [200, 1] : [403, 0], said);
    assert.equal((await ask({ target: "/status", headers })).status, 200, said);
  }
});

test("A reload says what came of it, as JSON or as text", async () => {
  const failed: AdminReload = { ok: false, generation: 3, errors: ["one", "two"] };
  const warned: AdminReload = { ok: true, generation: 4, warnings: ["careful"] };
  const cases: readonly (readonly [AdminReload, number, string])[] = [
    [WELL, 200, "reloaded: generation 3\n"],
    [warned, 200, "reloaded: generation 4\ncareful\n"],
    [failed, 400, "one\ntwo\n"],
  ];
  for (const [result, status, text] of cases) {
    for (const accept of [undefined, "*/*", "application/json", "text/html, text/plain"]) {
      const headers = accept === undefined ? {} : { Accept: accept };
      const got = await ask({ method: "POST", target: "/reload", headers }, {}, result);
      assert.deepEqual([got.status, JSON.parse(got.text)], [status, result]);
      assert.equal(got.fields["content-type"], "application/json");
    }
    for (const accept of ["text/plain", " Text/Plain; q=1", "text/plain, */*"]) {
      const headers = { Accept: accept };
      const got = await ask({ method: "POST", target: "/reload", headers }, {}, result);
      assert.deepEqual([got.status, got.text], [status, text]);
      assert.equal(got.fields["content-type"], "text/plain; charset=utf-8");
    }
  }
  const none = await ask({ method: "POST", target: "/reload" }, { reload: undefined });
  assert.equal(none.status, 404);
});

test("It is ready while it runs and nothing is waited for, and alive in any case", async () => {
  const waitingFor = () => Promise.resolve(["app: a.sock", "other"]);
  const cases: readonly (readonly [Partial<AdminDeps>, number, string])[] = [
    [{}, 200, "ready\n"],
    [{ waitingFor: () => Promise.resolve([]) }, 200, "ready\n"],
    [{ waitingFor }, 503, "waiting for app: a.sock\nwaiting for other\n"],
    [{ isReady: () => false }, 503, "stopping\n"],
    [{ isReady: () => false, waitingFor }, 503, "stopping\n"],
  ];
  for (const [given, status, text] of cases) {
    const got = await ask({ target: "/readyz" }, given);
    assert.deepEqual([got.status, got.text], [status, text]);
    assert.equal((await ask({ target: "/livez" }, given)).text, "ok\n");
  }
});

test("The status is that of the whole process where there is more than one thread", async () => {
  const own = JSON.parse((await ask({ target: "/status" })).text);
  assert.deepEqual(own, { version: "1.2.3", upstreams: [] });
  const whole = (own: object) => Promise.resolve({ ...own, threads: 2 });
  const http2 = () => ({ connections: 1, streams: 2 });
  const all = JSON.parse((await ask({ target: "/status" }, { whole, http2 })).text);
  assert.deepEqual(all, { ...own, http2: http2(), threads: 2 });
});
