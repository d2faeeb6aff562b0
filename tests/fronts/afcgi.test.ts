/** An application of the library behind afcgi itself. */
import { test } from "node:test";
import { commonTests } from "./common.ts";
import { afcgi } from "./afcgi.ts";

const { skip, tests } = commonTests(afcgi);
for (const { name, run } of tests) test(name, { skip }, run);
