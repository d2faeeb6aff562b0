/** An application behind HAProxy, which multiplexes. */
import { test } from "node:test";
import { commonTests } from "./common.ts";
import { haproxy } from "./haproxy.ts";

const { skip, tests } = commonTests(haproxy);
for (const { name, run } of tests) test(name, { skip }, run);
