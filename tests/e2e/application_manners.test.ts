/** What the executable says of applications with manners of their own: `afcgi probe`, and the log. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { currentRuntime } from "../../src/runtime/current.ts";
import { Afcgi, runAfcgi } from "../support/afcgi.ts";
import { ManneredApplication, type Manners } from "../support/mannered_application.ts";
import { temporaryDirectory } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

const CASES: Record<string, { manners: Manners; probe: readonly RegExp[]; code?: string }> = {
  "takes 10 at once": {
    manners: { multiplex: true, connectionsMax: 10, requestsMax: 10 },
    probe: [/FCGI_MAX_CONNS +10/, /FCGI_MAX_REQS +10/, /multiplexes +yes/, /keeps connection +yes/],
  },
  "closes after each response": {
    manners: { multiplex: true, closes: true },
    probe: [
      /FCGI_MPXS_CONNS +1/,
      /keeps connection +no/,
      /- it closes connections that it is asked to keep: they are not kept, nor shared though/,
    ],
    code: "connections_not_kept",
  },
  "does not answer the question": {
    manners: { multiplex: false, asked: "is_silent" },
    probe: [
      /FCGI_GET_VALUES +no response/,
      /keeps connection +yes/,
      /- it does not answer FCGI_GET_VALUES: connections are kept with reuse: true alone/,
    ],
    code: "values_unanswered",
  },
  "dies of the question": {
    manners: { multiplex: false, asked: "dies", restartMs: Infinity },
    probe: [
      /error +It ended when it was asked with FCGI_GET_VALUES \(multiplex: "off" never asks\)/,
    ],
    code: "died_when_asked",
  },
};

for (const [name, { manners, probe, code }] of Object.entries(CASES)) {
  test(`Of one that ${name} the executable tells so`, async () => {
    const path = join(temporaryDirectory(), "app.sock");
    const runtime = currentRuntime();
    const application = await ManneredApplication.start(
      runtime,
      { transport: "unix", path },
      manners,
    );
    const told = await runAfcgi(["probe", `unix:${path}`]);
    for (const line of probe) assert.match(told.stdout, line);
    const dies = manners.asked === "dies";
    if (dies) await application.comeBack();
    // One that has died is back when it was missed, however long we take to start.
    const retry = dies && { retry: { attempts: 5, delay: "500ms" } };
    const upstreams = { app: { servers: [`unix:${path}`], ...retry } };
    const sites = [{ routes: [{ fastcgi: { upstream: "app" } }] }];
    const afcgi = await Afcgi.start({ config: { upstreams, sites } });
    const asked = Array.from({ length: 12 }, () => httpRequest(afcgi.port, { target: "/" }));
    if (code !== undefined) await afcgi.waitForLog((line) => line["code"] === code);
    if (dies) await application.comeBack();
    const responses = await Promise.all(asked);
    assert.deepEqual(responses.map(({ status }) => status), Array.from({ length: 12 }, () => 200));
    await afcgi.stop();
    application.stop();
  });
}
