/** An application of the library behind nginx. */
import { test } from "node:test";
import { commonTests } from "./common.ts";
import { nginx } from "./nginx.ts";

const { skip, tests } = commonTests(nginx);
for (const { name, run } of tests) test(name, { skip }, run);
