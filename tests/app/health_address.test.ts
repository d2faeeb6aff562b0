/** The address for probes: it shows less than the admin address, and changes nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { freshSocket, gatewayAppOptions, LOOPBACK, startGateway } from "../support/gateway.ts";
import { httpRequest } from "../support/raw_http.ts";

test("Probes and scrapers get what they need, and nothing beside", async () => {
  const options = { ...gatewayAppOptions({ admin: true }, freshSocket()), health: LOOPBACK };
  const gateway = await startGateway({ ...options, readyWhen: "listening" });
  const { healthAddress } = gateway.app;
  const port = healthAddress?.transport === "tcp" ? healthAddress.port : 0;
  const statusOf = async (method: string, target: string) =>
    (await httpRequest(port, { method, target, headers: { Host: "10.1.2.3" } })).status;
  for (const path of ["/livez", "/readyz", "/metrics"]) {
    assert.equal(await statusOf("GET", path), 200, path);
    assert.equal(await statusOf("POST", path), 405, path);
  }
  for (const path of ["/status", "/reload", "/", "/cache/purge"]) {
    for (const method of ["GET", "POST"]) assert.equal(await statusOf(method, path), 404, path);
  }
  await gateway.app.stop();
});
