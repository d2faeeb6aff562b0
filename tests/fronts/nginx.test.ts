/** An application of the library behind nginx. */
import { commonTests } from "./common.ts";
import { nginx } from "./nginx.ts";

commonTests(nginx);
