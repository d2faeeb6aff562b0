/** An application behind h2o. */
import { test } from "node:test";
import { commonTests } from "./common.ts";
import { h2o } from "./h2o.ts";

const { skip, tests } = commonTests(h2o);
for (const { name, run } of tests) test(name, { skip }, run);
