/**
 * docs/production.md as it is written, on a machine with a real systemd: the commands of its first
 * block, then everything of its table; and what systemd makes of an afcgi that dies or stands still.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { missingPeer } from "../support/peers.ts";
import { waitUntil } from "../support/places.ts";
import { missingSystemd, SystemdMachine } from "../support/systemd_machine.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const skip = missingSystemd() || missingPeer("logrotate");
let machine: SystemdMachine;

/** The commands that the page says to type. */
function documentedCommands(): string {
  const page = readFileSync(`${ROOT}/docs/production.md`, "utf8");
  return /```sh\n(.*?)```/s.exec(page)![1]!;
}

/** A command of the page's table, by what it is for. */
function documented(what: string): string {
  const page = readFileSync(`${ROOT}/docs/production.md`, "utf8");
  const row = new RegExp(`^\\| ${what} +\\| (.*?)\\|$`, "m").exec(page)![1]!;
  return /`((?:systemctl|curl) [^`]+)`/.exec(row)![1]!;
}

const get = (path: string) =>
  machine.run(`curl -sS --max-time 15 -H "Host: example.com" http://127.0.0.1${path}`);
const mainPid = () => machine.show("afcgi.service", "MainPID");
const isActive = () => machine.show("afcgi.service", "ActiveState") === "active";

before(async () => {
  if (skip) return;
  machine = await SystemdMachine.boot();
  machine.run(`mkdir -p /srv/www/public && echo 'body {}' > /srv/www/public/style.css`);
  machine.run(documentedCommands(), ROOT);
  // Redirected to HTTPS, of which nobody can have a certificate here.
  machine.run("sed -i 's/tls: auto/tls: internal\\n    https: allow/' /etc/afcgi/afcgi.yaml");
  machine.run("systemctl reload afcgi");
  await waitUntil(() => Promise.resolve(get("/style.css").includes("body {}")), "the site");
});

after(async () => {
  if (!skip) await machine.stop();
});

test(
  "The commands of the page start it as a user without rights, on ports 80 and 443",
  { skip },
  () => {
    assert.ok(isActive());
    const pid = mainPid();
    const status = machine.run(`cat /proc/${pid}/status`);
    const uid = machine.run("id -u afcgi").trim();
    assert.match(status, new RegExp(`^Uid:\\s+${uid}\\s`, "m"));
    assert.match(status, /^CapEff:\s+0+$/m);
    assert.match(status, /^NoNewPrivs:\s+1$/m);
    assert.match(
      machine.run("curl -sSk --max-time 10 https://127.0.0.1/style.css -H 'Host: example.com'"),
      /body/,
    );
    assert.equal(machine.show("afcgi.service", "StatusText"), "Serving");
  },
);

test("A reload is one for systemd, and a faulty file changes nothing", { skip }, async () => {
  const pid = mainPid();
  machine.run("cp /etc/afcgi/afcgi.yaml /tmp/good.yaml && echo 'sites: 7' > /etc/afcgi/afcgi.yaml");
  assert.throws(() => machine.run("afcgi check /etc/afcgi/afcgi.yaml"), /afcgi\.yaml:1:8/);
  machine.run(documented("change the file"));
  const status = () => machine.show("afcgi.service", "StatusText");
  await waitUntil(() => Promise.resolve(/last reload failed/.test(status())), "the failure");
  assert.match(get("/style.css"), /body/);
  machine.run("cp /tmp/good.yaml /etc/afcgi/afcgi.yaml");
  machine.run("afcgi check /etc/afcgi/afcgi.yaml && systemctl reload afcgi");
  await waitUntil(() => Promise.resolve(status() === "Serving"), "the reload");
  assert.equal(mainPid(), pid);
  assert.ok(isActive());
});

test("logrotate rotates by the installed snippet", { skip }, async () => {
  get("/style.css");
  machine.run("/usr/sbin/logrotate --force /etc/logrotate.d/afcgi");
  get("/rotated");
  const log = "/var/log/afcgi/access.log";
  await waitUntil(
    () => Promise.resolve(machine.run(`cat ${log}`).includes("/rotated")),
    "a line in the new file",
  );
  assert.match(machine.run(`cat ${log}.1`), /style\.css/);
  assert.match(machine.run(`stat -c '%U %a' ${log}`), /^afcgi 640$/m);
});

test(
  "An upgrade is the same service in another process, and nobody is refused",
  { skip },
  async () => {
    const before = mainPid();
    machine.run(
      "install -m 0755 /usr/local/bin/afcgi /usr/local/bin/afcgi.new && mv /usr/local/bin/afcgi.new /usr/local/bin/afcgi",
    );
    machine.run(documented("a new version"));
    await waitUntil(() => {
      assert.match(get("/style.css"), /body/);
      return Promise.resolve(mainPid() !== before);
    }, "the other process");
    await waitUntil(
      () => Promise.resolve(machine.run(`test -d /proc/${before} || echo gone`).includes("gone")),
      "the end of the old one",
    );
    assert.ok(isActive());
    assert.equal(machine.show("afcgi.service", "NRestarts"), "0");
    // It is heard as the service: its watchdog is fed, its reloads are seen.
    machine.run("systemctl reload afcgi");
    await waitUntil(
      () => Promise.resolve(machine.show("afcgi.service", "StatusText") === "Serving"),
      "a reload of the new process",
    );
    assert.match(machine.run(documented("look at it")), /"upstreams"/);
  },
);

test(
  "What is killed, or stands still, is started again, and clients wait meanwhile",
  { skip },
  async () => {
    for (const signal of ["KILL", "STOP"] as const) {
      const restarts = () => Number(machine.show("afcgi.service", "NRestarts"));
      const before = restarts();
      if (signal === "STOP") {
        machine.run(
          "mkdir -p /etc/systemd/system/afcgi.service.d && " +
            "printf '[Service]\\nWatchdogSec=2\\n' > /etc/systemd/system/afcgi.service.d/test.conf && " +
            "systemctl daemon-reload && systemctl restart afcgi",
        );
      }
      machine.run(`systemctl kill -s ${signal} --kill-whom=main afcgi`);
      assert.match(get("/style.css"), /body/);
      await waitUntil(
        () => Promise.resolve(restarts() > 0 && isActive()),
        `a restart after ${signal}`,
      );
      if (signal === "KILL") assert.equal(restarts(), before + 1);
    }
  },
);

test("It stops as the page says, and nothing listens any more", { skip }, () => {
  machine.run(documented("take it out of use"));
  assert.equal(machine.show("afcgi.service", "ActiveState"), "inactive");
  assert.equal(machine.show("afcgi.service", "Result"), "success");
  assert.throws(() => get("/style.css"));
});
