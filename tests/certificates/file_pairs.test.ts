/** Pairs of files as they change, in a world in which a test says what each of them is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type CertificateFiles,
  openCertificateFiles,
  stateOf,
  WATCH_INTERVAL_MS,
} from "../../src/certificates/files.ts";
import { checkPair, doubtOf, PairError } from "../../src/certificates/pair.ts";
import { Logger } from "../../src/observe/logger.ts";
import type { ClientHello } from "../../src/runtime/client_hello.ts";
import type { TlsIdentity } from "../../src/runtime/connection.ts";
import { FileError } from "../../src/runtime/file_error.ts";
import type { FileInfo } from "../../src/runtime/file_info.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { type CertificateFacts, TlsError } from "../../src/runtime/tls.ts";
import { untilIdle } from "../support/idle.ts";
import { LineSink } from "../support/gateway.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

const DAY_MS = 86_400_000;
const PATHS = { cert: "/x.crt", key: "/x.key" };
const HELLO: ClientHello = {
  serverName: "",
  protocols: [],
  signatureSchemes: [0x0403],
  cipherSuites: [],
  speaks13: true,
};

const certOf = (...names: readonly string[]) =>
  names.map((name) => `-----BEGIN CERTIFICATE-----\n${name}\n`).join("");
const keyOf = (name: string) => `-----BEGIN PRIVATE KEY-----\n${name}\n`;

/** What a certificate says: its issuer stands behind a ">" in its name. */
function factsOf(name: string, nowMs: number): CertificateFacts {
  const [own] = name.split(">");
  const shift = own === "late" ? DAY_MS : own === "old" ? -2 * DAY_MS : 0;
  return {
    names: [own!],
    keyKind: "p256",
    notBeforeMs: nowMs - DAY_MS / 2 + shift,
    notAfterMs: nowMs + DAY_MS + shift,
    hasKey: (key: string) => key === keyOf(own!),
    hasIssued: (other: { readonly names: readonly string[]; readonly by: string }) =>
      other.by === own,
    by: name.split(">")[1] ?? "",
  } as unknown as CertificateFacts;
}

class World {
  readonly clock = new ManualClock();
  readonly sink = new LineSink();
  readonly texts = new Map<string, string>();
  readonly logger = new Logger({
    sink: this.sink,
    clock: this.clock,
    level: "info",
    format: "json",
  });
  /** What `stat` says of a file: `version` is its time. */
  version = 1;
  /** Lets what is read wait. */
  gate: Promise<void> = Promise.resolve();
  identityError: Error | undefined;
  readonly runtime: Pick<Runtime, "files" | "tls" | "clock">;

  constructor() {
    const startMs = this.clock.wallMs();
    this.runtime = {
      clock: this.clock,
      files: {
        stat: (): FileInfo => ({
          kind: "file",
          size: 1,
          modifiedMs: this.version,
          changedMs: 0,
          inode: 0,
          device: 0,
        }),
        readText: async (path: string) => {
          await this.gate;
          return this.texts.get(path) ?? "";
        },
      },
      tls: {
        readCertificates: (text: string) =>
          text.split("-----BEGIN CERTIFICATE-----\n").slice(1)
            .map((name) => factsOf(name.trim(), startMs)),
        checkIdentity: () => {
          if (this.identityError !== undefined) throw this.identityError;
        },
      },
    } as unknown as World["runtime"];
  }

  lay(version: number, cert: string, key = keyOf(cert)): void {
    this.version = version;
    this.texts.set(PATHS.cert, certOf(cert));
    this.texts.set(PATHS.key, key);
  }

  async open(): Promise<CertificateFiles> {
    return await openCertificateFiles([PATHS], this.runtime, this.logger);
  }

  async look(): Promise<void> {
    this.clock.advance(WATCH_INTERVAL_MS);
    await untilIdle();
  }

  async lines(): Promise<string[]> {
    await this.logger.flush();
    return this.sink.lines.map(({ level, code }) => `${level} ${code}`);
  }
}

const served = (source: CertificateFiles) =>
  (source.find("", HELLO) as TlsIdentity).cert.split("\n")[1];

test("A certificate that is over, or not yet valid, is served and told, at first and when it changes", async () => {
  for (const name of ["old", "late"]) {
    const world = new World();
    world.lay(1, name);
    const source = await world.open();
    assert.equal(served(source), name);
    assert.deepEqual(await world.lines(), ["warn certificate_failed"]);
    world.lay(2, "fine");
    await world.look();
    assert.equal(served(source), "fine");
    world.lay(3, name);
    await world.look();
    assert.equal(served(source), name);
    assert.deepEqual((await world.lines()).slice(1), [
      "info certificate_renewed",
      "info certificate_renewed",
      "warn certificate_failed",
    ]);
    source.close();
  }
});

test("What is held is told by its first name and its end, as it is now", async () => {
  const world = new World();
  world.lay(1, "one");
  const source = await world.open();
  const notAfterMs = world.clock.wallMs() + DAY_MS;
  assert.deepEqual(source.held(), [{ name: "one", notAfterMs }]);
  world.lay(2, "two");
  await world.look();
  assert.deepEqual(source.held(), [{ name: "two", notAfterMs }]);
  source.close();
});

test("Files that are faulty, then as they were or fine, then faulty again, are told once they stay so", async () => {
  for (const between of [1, 3]) {
    const world = new World();
    world.lay(1, "one");
    const source = await world.open();
    for (let round = 1; round <= 3; round++) {
      world.lay(2, "garbage", keyOf("another"));
      await world.look();
      world.lay(between, "one");
      await world.look();
    }
    assert.ok(!(await world.lines()).includes("error certificate_failed"));
    world.lay(2, "garbage", keyOf("another"));
    for (let look = 1; look <= 5; look++) await world.look();
    const errors = (await world.lines()).filter((line) => line === "error certificate_failed");
    assert.equal(errors.length, 1);
    assert.equal(served(source), "one");
    source.close();
  }
});

test("What is closed while files are read looks at them no more", async () => {
  const world = new World();
  world.lay(1, "one");
  const source = await world.open();
  assert.equal(world.clock.timerCount, 1);
  let open = (): void => {};
  world.gate = new Promise((resolve) => open = resolve);
  world.lay(2, "two");
  await world.look();
  source.close();
  open();
  await untilIdle();
  // What is logged of it leaves at the end of the turn.
  world.clock.advance(0);
  assert.equal(world.clock.timerCount, 0);
});

test("The state of a pair is another when either file is, is gone, or cannot be looked at", () => {
  const info: FileInfo = {
    kind: "file",
    size: 1,
    modifiedMs: 2,
    changedMs: 3,
    inode: 4,
    device: 5,
  };
  const stateWith = (look: (path: string) => FileInfo | undefined) =>
    stateOf(PATHS, { files: { stat: look } as unknown as Runtime["files"] });
  const usual = stateWith(() => info);
  assert.equal(stateWith(() => ({ ...info })), usual);
  const states = [usual];
  for (const path of Object.values(PATHS)) {
    for (const key of ["size", "modifiedMs", "changedMs", "inode", "device"] as const) {
      states.push(stateWith((one) => one === path ? { ...info, [key]: 9 } : info));
    }
    states.push(stateWith((one) => one === path ? undefined : info));
    states.push(stateWith((one) => {
      if (one === path) throw new FileError("look at", one, "EACCES");
      return info;
    }));
  }
  assert.equal(new Set(states).size, states.length);
});

function check(cert: string, key: string, world = new World()): string {
  try {
    return checkPair(PATHS, { cert, key }, world.runtime).names.join();
  } catch (error) {
    assert.ok(error instanceof PairError);
    return `${error.file}: ${error.message.replaceAll(/"[^"]*"/g, "X")}`;
  }
}

test("A chain is in order from its own certificate on, whatever its length", () => {
  const cases: [names: readonly string[], key: string, said: RegExp | string][] = [
    [["a"], "a", "a"],
    [["a>b", "b>c", "c>c"], "a", "a"],
    [["b>c", "a>b"], "a", /^cert: .*wrong order: the key's certificate is number 2 \(/],
    [["b>c", "c", "a>b"], "a", /^cert: .*wrong order: the key's certificate is number 3 \(/],
    [["a>b", "b"], "x", /^key: The key in X is not that of the certificate in X/],
    [["a>b", "c", "b"], "a", /^cert: .*wrong order: number 2 did not issue number 1 \(/],
    [["a>b", "b>c", "x", "c"], "a", /^cert: .*wrong order: number 3 did not issue number 2 \(/],
    [["a>b", "c"], "a", /^cert: .*does not hang together: number 2 did not issue number 1 \(/],
    [["a>a", "c"], "a", /^cert: .*does not hang together: number 2 did not issue number 1 \(/],
  ];
  for (const [names, key, said] of cases) {
    const told = check(certOf(...names), keyOf(key));
    if (typeof said === "string") assert.equal(told, said);
    else assert.match(told, said);
  }
});

test("A pair that the runtime does not take together is told of its key", () => {
  const world = new World();
  world.identityError = new TlsError("no");
  assert.match(check(certOf("a"), keyOf("a"), world), /^key: Cannot read the key in X/);
});

test("A certificate is in doubt outside its times, not in their first and last moment", () => {
  const times = { notBeforeMs: Date.UTC(2026, 0, 1), notAfterMs: Date.UTC(2026, 0, 2) };
  const cases: [nowMs: number, doubt: RegExp | undefined][] = [
    [times.notBeforeMs - 1, /^The certificate in "\/x" is not valid before 2026-01-01 00:00 UTC/],
    [times.notBeforeMs, undefined],
    [times.notAfterMs, undefined],
    [times.notAfterMs + 1, /^The certificate in "\/x" expired at 2026-01-02 00:00 UTC/],
  ];
  for (const [nowMs, doubt] of cases) {
    const said = doubtOf(times, "/x", nowMs);
    if (doubt === undefined) assert.equal(said, undefined);
    else assert.match(said ?? "", doubt);
  }
});
