/** An application of the library behind afcgi itself. */
import { commonTests } from "./common.ts";
import { afcgi } from "./afcgi.ts";

commonTests(afcgi);
