/** A C program on libfcgi behind afcgi. A thread of it serves one connection at a time. */
import { commonTests } from "./common.ts";
import { libfcgi } from "./libfcgi.ts";

commonTests(libfcgi);
