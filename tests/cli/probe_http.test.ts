/** `afcgi probe http://…`: an HTTP server is asked once, and what it says is shown. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "../../src/runtime/address.ts";
import { MemoryNetwork } from "../support/memory/memory.ts";
import { runCommand } from "./run_program.ts";

async function probed(response: string | undefined, url = "http://app.example:8080/up?a=b") {
  const network = new MemoryNetwork();
  let request = "";
  await network.listen(parseAddress("app.example:8080"), async (connection) => {
    const { value } = await connection.readable.getReader().read();
    request = new TextDecoder().decode(value);
    const writer = connection.writable.getWriter();
    if (response !== undefined) await writer.write(new TextEncoder().encode(response));
    await writer.close().catch(() => {});
  });
  const { status, stdout } = await runCommand(`probe --json ${url}`, { network });
  return { status, report: JSON.parse(stdout), request };
}

test("probe says what an HTTP server responds, and whether it keeps the connection", async () => {
  const headers = "HTTP/1.1 204 No Content\r\nServer: x\r\n";
  const { status, report, request } = await probed(`${headers}\r\n`);
  assert.equal(status, 0);
  assert.match(request, /^GET \/up\?a=b HTTP\/1\.1\r\nhost: app\.example:8080\r\n/);
  assert.equal(report.status, 204);
  assert.equal(report.server, "x");
  assert.equal(report.keepsConnection, true);
  const closing = await probed(`${headers}Connection: close\r\n\r\n`);
  assert.equal(closing.report.keepsConnection, false);
});

test("probe says why an HTTP server cannot be asked", async () => {
  for (const response of [undefined, "\x01\x02", "HTTP/1.1 200 OK\nA: b\n\n"]) {
    const { status, report } = await probed(response);
    assert.equal(status, 1);
    assert.ok(report.fault);
  }
  const away = await probed("", "http://gone.example:1/");
  assert.equal(away.status, 1);
  assert.match(away.report.fault, /Cannot connect/);
});
