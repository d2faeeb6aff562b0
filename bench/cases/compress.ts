/** A page of HTML compressed on its way: what that costs, at about the same size. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cResponder } from "../applications/application.ts";
import { runWrk } from "../load/wrk.ts";
import { benchFile } from "../scope.ts";
import { AFCGI, type BenchCase, NGINX } from "./case.ts";
import { proxyRows, variantsOf } from "./proxy_rows.ts";

const LENGTH = 43_000;
const CLIENTS = 16;
const NAMES = ["nginx", "afcgi", "deno"];

/** Text as people write it, with some mark-up: repeated letters would be compressed to nothing. */
function page(): string {
  const text = ["configuration", "multiplexing", "operations", "security"]
    .map((name) => readFileSync(benchFile(`../docs/${name}.md`), "utf8")).join("");
  const lines = text.split("\n").map((line) => `<p class="line">${line}</p>`);
  return Array.from(lines.join("\n"), (letter) => letter > "~" ? "?" : letter).join("");
}

export const compress: BenchCase = {
  name: "compress",
  peers: ["wrk", "cc"],
  tables: (clients = [CLIENTS]) =>
    clients.map((count) => ({
      title: `responses of 43 kB of HTML, compressed by gzip at level 5, ${count} clients`,
      prepare: async (bench) => {
        const file = join(bench.scope.newDirectory("page"), "page.html");
        writeFileSync(file, page().slice(0, LENGTH));
        return {
          rows: await proxyRows(bench, variantsOf(bench, ({ name }) => NAMES.includes(name)), {
            application: cResponder({ page: file }),
            path: "/",
            length: LENGTH,
            setup: { kept: count, isCompressed: true },
            load: (scope, port, seconds) =>
              runWrk(scope, {
                port,
                path: "/",
                clients: count,
                seconds,
                headers: { "Accept-Encoding": "gzip" },
              }),
          }),
          columns: [
            "requestsPerSecond",
            "mibPerSecond",
            "p50Ms",
            "p99Ms",
            "proxyCpuUs",
            "memoryMiB",
            "failed",
          ],
          compared: "requestsPerSecond",
          bounds: [{ row: AFCGI, column: "proxyCpuUs", most: 1.2, of: { row: NGINX } }],
        };
      },
    })),
};
