/**
 * A log whose reader stands still: a pipe that nobody reads, a FIFO, a full disk. It must cost lines,
 * which are counted, and never a request or the end of the program.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Logger } from "../../src/observe/logger.ts";
import { DescriptorSink, QUEUE_LENGTH_MAX } from "../../src/runtime/descriptor_sink.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import { LineSink, runtime } from "../support/gateway.ts";
import { freePort, temporaryDirectory, waitForListener } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";
import { until } from "../support/idle.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const DENO_CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
/** Twice of what a pipe holds, in lines of long paths. */
const REQUESTS = 60;
const LONG_PATH = `/${"x".repeat(4000)}`;

interface Served {
  readonly child: ChildProcess;
  readonly port: number;
  readonly status: Promise<number | null>;
}

/** Serves fixed responses; nobody reads what the child writes, unless a test does. */
async function serve(
  directory: string,
  access: string,
  wrapper: readonly string[] = [],
): Promise<Served> {
  const port = await freePort();
  const config = `${directory}/afcgi.yaml`;
  writeFileSync(
    config,
    `listen: ["127.0.0.1:${port}"]
log: { access: ${JSON.stringify(access)}, level: debug }
sites: [{ routes: [{ respond: { body: fine } }] }]
`,
  );
  const run = runtime.name === "bun"
    ? [MAIN]
    : ["run", "-A", "--no-check", "--config", DENO_CONFIG, MAIN];
  const [program, ...args] = [...wrapper, process.execPath, ...run, "serve", "--config", config];
  const child = spawn(program!, args, { stdio: ["ignore", "pipe", "pipe"] });
  const status = new Promise<number | null>((resolve) => child.on("exit", resolve));
  await waitForListener({ network: "tcp", host: "127.0.0.1", port });
  return { child, port, status };
}

async function askAll({ port }: Served): Promise<void> {
  for (let count = 0; count < REQUESTS; count++) {
    const response = await httpRequest(port, { target: LONG_PATH });
    assert.equal(response.status, 200);
  }
}

function end({ child }: Served, signal = "SIGTERM"): void {
  process.kill(child.pid!, signal);
}

test("Pipes that nobody reads stop neither requests nor the end", async () => {
  const served = await serve(temporaryDirectory(), "-");
  await askAll(served);
  end(served);
  assert.equal(await served.status, 0);
});

/** Runs what follows with a socket as standard output and error that stays open and is never read. */
const OVER_AN_UNREAD_SOCKET = [
  "perl",
  "-MSocket",
  "-e",
  `$^F = 255; socketpair(my $unread, my $out, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die $!;
   open(STDOUT, ">&", $out) or die $!; open(STDERR, ">&", $out) or die $!; exec @ARGV`,
  "--",
];

test("Nor do sockets, as a service manager gives them", async () => {
  const served = await serve(temporaryDirectory(), "-", OVER_AN_UNREAD_SOCKET);
  await askAll(served);
  end(served);
  assert.equal(await served.status, 0);
});

test("Nor does a FIFO as access log whose reader stands still", async () => {
  const directory = temporaryDirectory();
  const fifo = `${directory}/access`;
  execFileSync("mkfifo", [fifo]);
  const reader = spawn("sleep", ["60"], { stdio: [await openBoth(fifo), "ignore", "ignore"] });
  try {
    const served = await serve(directory, fifo);
    await askAll(served);
    end(served);
    assert.equal(await served.status, 0);
  } finally {
    reader.kill();
  }
});

/** A descriptor that keeps a FIFO open and reads nothing. */
async function openBoth(path: string): Promise<number> {
  const { openSync, constants } = await import("node:fs");
  return openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
}

/** Ends what a program has started that leads a group, such as an upgraded one. */
function endGroup({ child }: Served): void {
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch (error) {
    assert.match(String(error), /ESRCH/);
  }
}

test("Signals that mean something to other servers are harmless, and USR1 opens logs anew", async () => {
  const directory = temporaryDirectory();
  const log = `${directory}/access.log`;
  const served = await serve(directory, log, ["setsid"]);
  let told = "";
  served.child.stderr!.on("data", (bytes: Uint8Array) => told += new TextDecoder().decode(bytes));
  const { renameSync } = await import("node:fs");
  await httpRequest(served.port, { target: "/before" });
  // With several threads a line is written a moment later.
  await until(() => readFileSync(log, "utf8").includes("/before"), "the first line");
  renameSync(log, `${log}.1`);
  for (const signal of ["SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGHUP"]) {
    end(served, signal);
    await until(() => told.includes(`"signal":"${signal}"`), `a line about ${signal}`);
    assert.equal((await httpRequest(served.port, { target: "/after" })).status, 200, signal);
  }
  end(served, "SIGQUIT");
  assert.equal(await served.status, 0);
  endGroup(served);
  assert.match(readFileSync(`${log}.1`, "utf8"), /"path":"\/before"/);
  assert.doesNotMatch(readFileSync(`${log}.1`, "utf8"), /"path":"\/after"/);
  assert.equal(readFileSync(log, "utf8").match(/"path":"\/after"/g)?.length, 4);
});

const systemError = (code: string) => Object.assign(new Error(code), { code });

test("A full queue loses whole lines, counts them, and says so in the log itself", () => {
  let blocked = true;
  let text = "";
  const sink = new DescriptorSink(7, "a pipe", (descriptor, bytes) => {
    if (descriptor === 2) return bytes.length;
    if (blocked) throw systemError("EAGAIN");
    text += new TextDecoder().decode(bytes);
    return bytes.length;
  });
  const clock = new ManualClock();
  const log = new Logger({ sink, clock, level: "info", format: "json" });
  const long = "x".repeat(1024 * 1024);
  for (let count = 0; count < 10; count++) log.info(long);
  const lost = 10 - Math.floor(QUEUE_LENGTH_MAX / (long.length + 80));
  assert.equal(log.lostLines, lost);
  blocked = false;
  sink.flushAtExit();
  clock.advance(1);
  const lines = text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.filter(({ code }) => code === "log_lines_lost").map((line) => line.lines),
    [lost],
  );
});

test("A disk that fills up in the middle of a line tears none", () => {
  let room = 30;
  let text = "";
  const sink = new DescriptorSink(7, "a file", (descriptor, bytes) => {
    if (descriptor === 2) return bytes.length;
    if (room === 0) throw systemError("ENOSPC");
    const taken = Math.min(room, bytes.length);
    room -= taken;
    text += new TextDecoder().decode(bytes.subarray(0, taken));
    return taken;
  });
  for (let count = 0; count < 5; count++) sink.write(`{"count":${count},"x":"yyyyyyyy"}\n`);
  room = 1000;
  sink.write('{"count":5}\n');
  const counts = text.trimEnd().split("\n").map((line) => JSON.parse(line).count);
  assert.deepEqual(counts, [0, 1, 2, 3, 4, 5]);
  sink.abandon();
});

test("A line that an end of the program has torn is ended before the next", async () => {
  const path = `${temporaryDirectory()}/access.log`;
  appendFileSync(path, '{"whole":1}\n{"torn":');
  const sink = await runtime.files.appendStream(path);
  sink.write('{"next":1}\n');
  assert.equal(readFileSync(path, "utf8"), '{"whole":1}\n{"torn":\n{"next":1}\n');
  const again = await runtime.files.appendStream(path);
  again.write('{"last":1}\n');
  assert.match(readFileSync(path, "utf8"), /\n\{"next":1\}\n\{"last":1\}\n$/);
});

test("No line of a log hides or turns text", () => {
  const hidden = "\x9b31m \u2028\u2029\u202e\u2066\u200b\ufeff\xad\x85 \x1b[2J\r\n";
  for (const format of ["json", "text"] as const) {
    const sink = format === "json" ? new LineSink() : {
      text: "",
      write(text: string) {
        this.text += text;
      },
      flush: async () => {},
    };
    const clock = new ManualClock();
    const log = new Logger({ sink, clock, level: "info", format });
    log.info(`message ${hidden}`, { path: `/\u00e9${hidden}` });
    clock.advance(1);
    assert.doesNotMatch(
      sink.text.slice(0, -1),
      // deno-lint-ignore no-control-regex
      /[\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/,
    );
    assert.ok(sink.text.includes("\u00e9") && sink.text.includes("\\u202e"), format);
    if (sink instanceof LineSink) assert.equal(sink.lines[0]!["path"], `/\u00e9${hidden}`);
  }
});
