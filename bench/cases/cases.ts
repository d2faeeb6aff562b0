/** Every case, in the order in which they run. */
import type { BenchCase } from "./case.ts";
import { compress } from "./compress.ts";
import { fpm, fpmIdle } from "./fpm.ts";
import { growth } from "./growth.ts";
import { h2 } from "./h2.ts";
import { h2Attack } from "./h2_attack.ts";
import { held } from "./held.ts";
import { log } from "./log.ts";
import { go, headers, mixed, page, pauses, small } from "./requests.ts";
import { responder } from "./responder.ts";
import { rest } from "./rest.ts";
import { slowHandler } from "./slow_handler.ts";
import { slowReader } from "./slow_reader.ts";
import { start } from "./start.ts";
import { files } from "./static.ts";
import { tls } from "./tls.ts";
import { download, stream, upload } from "./transfer.ts";
import { unused } from "./unused.ts";
import { workers } from "./workers.ts";

export const CASES: readonly BenchCase[] = [
  small,
  pauses,
  mixed,
  headers,
  go,
  fpm,
  fpmIdle,
  page,
  compress,
  h2,
  h2Attack,
  download,
  upload,
  stream,
  held,
  slowReader,
  slowHandler,
  rest,
  log,
  unused,
  responder,
  files,
  tls,
  workers,
  start,
  growth,
];
