// In which order an executable wants its bytecode: functions that a start uses stand together, so
// less of it is read and decoded. The executable itself writes that down while it serves a few requests.
// Only the layout depends on it.
import { spawn } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DIST } from "./command.mjs";

const ORDER = join(DIST, "afcgi.order");
const CONFIG = join(DIST, "start.yaml");
const TIME_LIMIT_MS = 20_000;

/** As most are: an application (nobody is there), and threads. */
const CONFIG_TEXT = `listen: ["127.0.0.1:0"]
workers: 2
upstreams:
  app: { servers: ["tcp://127.0.0.1:1"] }
sites:
  - routes:
      - { path: /app/*, fastcgi: { upstream: app } }
      - { respond: { status: 200, body: "hello" } }
`;

/** The file with the order; undefined where the executable could not be asked. */
export async function recordOrder(executable) {
  rmSync(ORDER, { force: true });
  writeFileSync(CONFIG, CONFIG_TEXT);
  await serveOnce(executable).catch(() => undefined);
  rmSync(CONFIG, { force: true });
  return existsSync(ORDER) ? ORDER : undefined;
}

/** Serves until a few requests have been responded to. */
function serveOnce(executable) {
  return new Promise((resolve, reject) => {
    const child = spawn(executable, ["serve", "--config", CONFIG, "--log-format", "json"], {
      env: { ...process.env, BUN_BYTECODE_ORDER_OUT: ORDER },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), TIME_LIMIT_MS);
    let log = "";
    let isAsked = false;
    child.stderr.on("data", (bytes) => {
      log += bytes;
      const address = /"address":"tcp:\/\/([^"]+)"/.exec(log)?.[1];
      if (address === undefined || isAsked) return;
      isAsked = true;
      void ask(`http://${address}`).finally(() => child.kill("SIGTERM"));
    });
    child.on("error", reject);
    child.on("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

async function ask(url) {
  for (const path of ["/", "/app/", "/"]) {
    await fetch(url + path).then((response) => response.text()).catch(() => "");
  }
}
