/** An application behind HAProxy, which multiplexes. */
import { commonTests } from "./common.ts";
import { haproxy } from "./haproxy.ts";

commonTests(haproxy);
