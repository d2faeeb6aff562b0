/** An application behind Caddy: a connection for each request. */
import { caddy } from "./caddy.ts";
import { commonTests } from "./common.ts";

commonTests(caddy);
