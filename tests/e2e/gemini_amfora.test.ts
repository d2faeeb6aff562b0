/** A real Gemini client, amfora, in a terminal of its own (tmux), at the demo of the executable. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { AFCGI } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import { missingPeer } from "../support/peers.ts";
import { temporaryDirectory, waitUntil } from "../support/places.ts";

/** A terminal of which the screen can be read. */
class Terminal {
  readonly #socket: string;

  constructor(
    directory: string,
    command: readonly string[],
    env: Readonly<Record<string, string>>,
  ) {
    this.#socket = `${directory}/tmux`;
    const session = ["new-session", "-d", "-x", "100", "-y", "40"];
    this.#tmux([...session, "-c", directory, ...command], env);
  }

  get screen(): string {
    return this.#tmux(["capture-pane", "-p"]);
  }

  type(...keys: string[]): void {
    this.#tmux(["send-keys", ...keys]);
  }

  close(): void {
    this.#tmux(["kill-server"]);
  }

  #tmux(args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
    return execFileSync("tmux", ["-f", "/dev/null", "-S", this.#socket, ...args], {
      env: { ...process.env, ...env },
    }).toString();
  }
}

test("amfora opens the demo's page and follows a link to the application", {
  skip: missingPeer("amfora"),
}, async () => {
  const directory = temporaryDirectory();
  const home = { HOME: directory, XDG_DATA_HOME: directory, TMPDIR: directory };
  const env = { ...home, TERM: "xterm-256color", LANG: "C.UTF-8" };
  const args = ["demo", "--listen", "127.0.0.1:0", "--gemini=127.0.0.1:0"];
  const demo = new Child(AFCGI, args, { env });
  const line = await demo.stdout.waitFor((text) => text.includes("gemini://"));
  const url = /gemini:\/\/\S+/.exec(line)![0];
  const terminal = new Terminal(directory, ["amfora", url], env);
  const shows = async (text: string) => {
    try {
      await waitUntil(() => terminal.screen.includes(text), `"${text}" on the screen`);
    } catch (error) {
      throw new Error(`${error}\n${terminal.screen}`);
    }
  };
  try {
    await shows("This page came over Gemini");
    terminal.type("1");
    await shows("GATEWAY_INTERFACE=CGI/1.1");
    assert.match(terminal.screen, /SERVER_PROTOCOL=GEMINI|GEMINI_URL=/);
  } finally {
    terminal.close();
    await demo.stop("SIGTERM");
  }
});
