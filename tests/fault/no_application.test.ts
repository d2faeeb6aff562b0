/** Nobody listens where the application should: 502, and the log says where. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { Afcgi } from "../support/afcgi.ts";
import { descriptorsOf, waitForDescriptors } from "../support/descriptors.ts";
import { FaultPeer, GOOD_BODY } from "../support/fault_peer.ts";
import { freePlace, placeName, placeUrl, temporaryDirectory } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

for (const network of ["tcp", "unix"] as const) {
  test(`No application listening over ${network} gives 502, and the log names the address`, async () => {
    const place = await freePlace(network, temporaryDirectory());
    const afcgi = await Afcgi.start({ args: ["--upstream", placeUrl(place), "--preset", "app"] });
    try {
      const response = await httpRequest(afcgi.port, { target: "/" });
      assert.equal(response.status, 502);
      assert.ok(response.headers.get("x-request-id"));
      const line = await afcgi.waitForLog((line) =>
        JSON.stringify(line).includes(placeName(place)) && line.request_id !== undefined
      );
      assert.equal(line.request_id, response.headers.get("x-request-id"));
      assert.equal(typeof line.code, "string");
    } finally {
      await afcgi.stop();
    }
  });

  test(`An application that begins to listen over ${network} is used at once`, async () => {
    const place = await freePlace(network, temporaryDirectory());
    const afcgi = await Afcgi.start({ args: ["--upstream", placeUrl(place), "--preset", "app"] });
    try {
      assert.equal((await httpRequest(afcgi.port, { target: "/" })).status, 502);
      const peer = await FaultPeer.start(place);
      const response = await httpRequest(afcgi.port, { target: "/" });
      await peer.stop();
      assert.equal(response.status, 200);
      assert.equal(response.body.toString(), GOOD_BODY);
    } finally {
      await afcgi.stop();
    }
  });
}

test("An application that refuses every connection leaves no descriptor behind", async () => {
  const place = await freePlace("tcp", temporaryDirectory());
  const afcgi = await Afcgi.start({ args: ["--upstream", placeUrl(place), "--preset", "app"] });
  try {
    const atStart = descriptorsOf(afcgi.child.pid);
    const requests = Array.from(
      { length: 50 },
      () => httpRequest(afcgi.port, { method: "POST", body: "b" }),
    );
    for (const { status } of await Promise.all(requests)) assert.equal(status, 502);
    await waitForDescriptors(afcgi.child.pid, atStart);
  } finally {
    await afcgi.stop();
  }
});

test("A file where the application's socket should be gives 502", async () => {
  const place = await freePlace("unix", temporaryDirectory());
  writeFileSync(placeName(place), "");
  const afcgi = await Afcgi.start({ args: ["--upstream", placeUrl(place), "--preset", "app"] });
  try {
    assert.equal((await httpRequest(afcgi.port, { target: "/" })).status, 502);
  } finally {
    await afcgi.stop();
  }
});
