/** Commands that run until they are told to stop: start lines, signals, exit status. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatAddress, parseAddress } from "../../src/runtime/address.ts";
import { MemoryNetwork } from "../support/memory/memory.ts";
import {
  logLines,
  runCommand,
  type RunningCommand,
  startCommand,
  turnUntil,
  untilLogged,
} from "./run_program.ts";
import { requestInMemory } from "../support/memory_http.ts";

const FILE = `
listen: ["127.0.0.1:8081"]
sites:
  - routes:
      - respond: { body: "from the file" }
admin: { listen: "127.0.0.1:9181" }
`;
const ADDRESS = parseAddress("127.0.0.1:8081");

async function startServe(flags = "", tree = {}): Promise<RunningCommand> {
  const command = startCommand(`serve ${flags}`, { tree: { "/afcgi.yaml": FILE, ...tree } });
  await untilLogged(command, "listening");
  return command;
}

test("serve serves what the file says and names each listener in the log", async () => {
  const command = await startServe();
  const { runtime } = command;
  const response = await requestInMemory(runtime, ADDRESS, new Request("http://127.0.0.1:8081/"));
  assert.equal(await response.text(), "from the file");
  const lines = logLines(command).map(({ ts: _ts, ...rest }) => rest);
  assert.deepEqual(lines, [
    { level: "info", msg: "listening", address: "tcp://127.0.0.1:8081", scheme: "http" },
    {
      level: "info",
      msg: "listening",
      address: "tcp://127.0.0.1:9181",
      scheme: "http",
      for: "admin",
    },
  ]);
  runtime.process.raise("SIGTERM");
  assert.equal((await command.outcome).status, 0);
});

test("serve says once which preset it took, and why", async () => {
  const cases = [
    ["--upstream app:9000", "app", "there is no root"],
    ["--upstream app:9000 --root /plain", "app", "the root has no index.php"],
    ["--upstream app:9000 --root /php", "php", "the root has an index.php"],
    ["--upstream app:9000 --root /php --preset app", "app", "--preset says so"],
  ] as const;
  for (const [flags, preset, reason] of cases) {
    const command = await startServe(flags, { "/plain/x": "", "/php/index.php": "" });
    const lines = logLines(command).filter((line) => "preset" in line);
    assert.deepEqual(lines.map(({ ts: _ts, ...rest }) => rest), [
      { level: "info", msg: "routes are those of a preset", preset, reason },
    ]);
    command.runtime.process.raise("SIGTERM");
    assert.equal((await command.outcome).status, 0);
  }
});

test("serve ends with status 0 at SIGTERM and at SIGINT", async () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const command = await startServe();
    command.runtime.process.raise(signal);
    const { status } = await command.outcome;
    assert.equal(status, 0);
    const line = logLines(command).find(({ msg }) => msg === "signal received");
    assert.equal(line?.["signal"], signal);
  }
});

test("serve ends with status 1 at once at a second signal", async () => {
  // A request that is never answered keeps the first one waiting.
  const network = new MemoryNetwork();
  const upstream = parseAddress("app:9000");
  network.silence(upstream);
  const command = startCommand("serve -u app -l 127.0.0.1:8081", { network });
  await untilLogged(command, "listening");
  const { runtime, outcome } = command;
  const unanswered = requestInMemory(runtime, ADDRESS, new Request("http://127.0.0.1:8081/"));
  unanswered.catch(() => {});
  await turnUntil(() => network.connectCount(upstream) > 0, "the request at the upstream");
  runtime.process.raise("SIGTERM");
  runtime.process.raise("SIGTERM");
  assert.equal((await outcome).status, 1);
});

test("serve reads its file again at SIGHUP, and keeps what it has where that is faulty", async () => {
  const tree = { "/afcgi.yaml": FILE };
  const command = startCommand("serve", { tree });
  await untilLogged(command, "listening");
  const { runtime, outcome } = command;
  const status = async () => {
    const request = new Request("http://127.0.0.1:8081/");
    return (await requestInMemory(runtime, ADDRESS, request)).status;
  };
  runtime.files.write("/afcgi.yaml", "sites: [{ routes: 7 }]\n");
  runtime.process.raise("SIGHUP");
  const told = "The configuration stays as it was: afcgi.yaml:1:19: sites[0].routes is 7";
  await untilLogged(command, `${told} (use a list of routes)`);
  assert.equal(await status(), 200);
  runtime.files.write("/afcgi.yaml", FILE.replace("respond: {", "respond: { status: 418,"));
  runtime.process.raise("SIGHUP");
  await untilLogged(command, "configuration reloaded");
  assert.equal(await status(), 418);
  runtime.process.raise("SIGTERM");
  assert.equal((await outcome).status, 0);
});

test("serve fails with one line when its port is in use", async () => {
  const file = FILE.replace("9181", "8081").replace('listen: ["', 'listen: ["127.0.0.1:8082", "');
  const network = new MemoryNetwork();
  const outcome = await runCommand("serve -c two.yaml --admin 127.0.0.1:8082", {
    network,
    tree: { "/two.yaml": file.replace(/admin.*/, "") },
  });
  assert.equal(outcome.status, 1);
  assert.equal(
    outcome.stderr,
    "afcgi: Cannot listen on tcp://127.0.0.1:8082: the address is in use\n",
  );
});

test("serve -q logs nothing of a start and an end without errors", async () => {
  const command = startCommand("serve -q", { tree: { "/afcgi.yaml": FILE } });
  const { runtime, outcome } = command;
  const isServing = () =>
    requestInMemory(runtime, ADDRESS, new Request("http://127.0.0.1:8081/")).then(
      () => true,
      () => false,
    );
  let serving = false;
  await turnUntil(() => {
    void isServing().then((answered) => serving ||= answered);
    return serving;
  }, "a response");
  runtime.process.raise("SIGTERM");
  assert.equal((await outcome).status, 0);
  assert.equal(runtime.process.stderr.text, "");
});

test("serve writes access lines to standard output, to a file, or nowhere", async () => {
  for (const target of ["-", "/var/log/access.log", "off"]) {
    const command = await startServe(`--access-log ${target}`);
    const { runtime } = command;
    const response = await requestInMemory(
      runtime,
      ADDRESS,
      new Request("http://127.0.0.1:8081/x"),
    );
    await response.text();
    runtime.process.raise("SIGTERM");
    const { stdout } = await command.outcome;
    const isFile = target.startsWith("/");
    const text = isFile ? await runtime.files.readText(target) : stdout;
    assert.equal(text.split("\n").filter(Boolean).length, target === "off" ? 0 : 1, target);
    if (isFile) assert.equal(stdout, "");
  }
});

test("responder logs its address, and probe finds out that it multiplexes", async () => {
  const network = new MemoryNetwork();
  const responder = startCommand("responder --listen app:9000", { network });
  await untilLogged(responder, "listening");
  const probe = startCommand("probe app --json", { network });
  let report: { stdout: string; status: number } | undefined;
  void probe.outcome.then((outcome) => report = outcome);
  await turnUntil(() => {
    // How long a kept connection is watched is a matter of this clock.
    probe.runtime.clock.advance(10);
    return report !== undefined;
  }, "the report");
  const { address, values, multiplexes, fault: error } = JSON.parse(report!.stdout);
  assert.equal(report!.status, 0);
  assert.equal(address, "tcp://app:9000");
  assert.equal(values["FCGI_MPXS_CONNS"], "1");
  assert.equal(multiplexes, true);
  assert.equal(error, undefined);
  responder.runtime.process.raise("SIGINT");
  assert.equal((await responder.outcome).status, 0);
});

test("responder --no-multiplex says so when it is asked", async () => {
  const network = new MemoryNetwork();
  const responder = startCommand("responder --listen app:9000 --no-multiplex", { network });
  await untilLogged(responder, "listening");
  const probe = startCommand("probe app", { network });
  let stdout: string | undefined;
  void probe.outcome.then((outcome) => stdout = outcome.stdout);
  await turnUntil(() => {
    probe.runtime.clock.advance(10);
    return stdout !== undefined;
  }, "the report");
  assert.match(stdout!, /^tcp:\/\/app:9000\n/);
  assert.match(stdout!, /\n {2}FCGI_MPXS_CONNS {3}0\n/);
  assert.match(stdout!, /\n {2}multiplexes {7}no\n/);
  responder.runtime.process.raise("SIGTERM");
  assert.equal((await responder.outcome).status, 0);
});

test("probe fails with the reason when nobody listens", async () => {
  assert.deepEqual(await runCommand("probe app"), {
    status: 1,
    stdout: "tcp://app:9000\n  error             Cannot connect to tcp://app:9000: refused\n",
    stderr: "",
  });
});

test("demo prints its address and what to try, and serves it over a real socket address", async () => {
  const command = startCommand("demo --listen 127.0.0.1:8081", { env: { TMPDIR: "/tmp/x/" } });
  const { runtime, outcome } = command;
  await turnUntil(() => runtime.process.stdout.text.includes("Ctrl-C"), "the greeting");
  const { text } = runtime.process.stdout;
  assert.match(text, /^Open http:\/\/127\.0\.0\.1:8081\/\n/);
  assert.equal(text.match(/^ {2}curl .*http:\/\/127\.0\.0\.1:8081\//gm)?.length, 3);
  const socket = /unix:\/tmp\/x\/afcgi-demo-\S+\.sock/.exec(text)?.[0];
  assert.ok(socket !== undefined, text);
  const request = new Request("http://127.0.0.1:8081/echo", {
    method: "POST",
    headers: { "content-length": "5" },
    body: "Hello",
  });
  const response = await requestInMemory(runtime, ADDRESS, request);
  assert.equal(await response.text(), "Hello");
  runtime.process.raise("SIGINT");
  assert.equal((await outcome).status, 0);
  await assert.rejects(runtime.connect(parseAddress(socket)), "the socket is still there");
});

test("demo fails with one line when its port is in use, and leaves no socket", async () => {
  const first = startCommand("demo -q --listen 127.0.0.1:8081", { env: { TMPDIR: "/tmp/x" } });
  const { runtime } = first;
  await turnUntil(() => runtime.process.stdout.text !== "", "the address");
  assert.equal(runtime.process.stdout.text, "http://127.0.0.1:8081\n");
  const sockets: string[] = [];
  const { listen } = runtime;
  Object.assign(runtime, {
    listen: async (...args: Parameters<typeof listen>) => {
      sockets.push(formatAddress(args[0]));
      return await listen(...args);
    },
  });
  const second = await runCommand("demo --listen 127.0.0.1:8081", { runtime });
  assert.equal(second.status, 1);
  assert.equal(
    second.stderr,
    "afcgi: Cannot listen on tcp://127.0.0.1:8081: the address is in use\n",
  );
  assert.equal(sockets.length, 1);
  await assert.rejects(runtime.connect(parseAddress(sockets[0]!)));
  runtime.process.raise("SIGTERM");
  assert.equal((await first.outcome).status, 0);
});
