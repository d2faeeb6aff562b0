/** An application behind Caddy: a connection for each request. */
import { test } from "node:test";
import { caddy } from "./caddy.ts";
import { commonTests } from "./common.ts";

const { skip, tests } = commonTests(caddy);
for (const { name, run } of tests) test(name, { skip }, run);
