import assert from "node:assert/strict";
import { test } from "node:test";
import { Role } from "../../src/protocol/constants.ts";
import { authorized } from "../../src/responder/authorized.ts";
import { COMPLETE, serve } from "./setup.ts";
import { inWorld } from "../support/world_test.ts";

test(
  "authorized lets a request in and sets its variables, with bytes as UTF-8",
  inWorld(async () => {
    const { connect } = await serve(() =>
      authorized({ REMOTE_USER: "J\u00f6rg", AUTH_LEVEL_2: "" })
    );
    const client = await connect();
    const request = client.begin({ role: Role.AUTHORIZER });
    const { headers, body } = await request.answer();
    assert.deepEqual(headers, [
      "Status: 200 OK",
      "Variable-AUTH_LEVEL_2: ",
      "Variable-REMOTE_USER: J\u00c3\u00b6rg",
    ]);
    assert.equal(body, "");
    assert.deepEqual(await request.ended(), COMPLETE);
  }),
);

test(
  "authorized without variables is an empty 200",
  inWorld(async () => {
    const response = authorized();
    assert.equal(response.status, 200);
    assert.equal(response.body, null);
    assert.deepEqual([...response.headers], []);
  }),
);

test(
  "authorized refuses names that would arrive as others, and values that would be headers",
  inWorld(() => {
    for (const name of ["remote_user", "REMOTE-USER", "REMOTE USER", "", "1ST", "A:B", "\u00c4"]) {
      assert.throws(() => authorized({ [name]: "x" }), /Cannot set variable/, name);
    }
    for (const value of ["a\r\nSet-Cookie: b=1", "a\nb", "a\0b"]) {
      assert.throws(() => authorized({ REMOTE_USER: value }), TypeError);
    }
  }),
);
