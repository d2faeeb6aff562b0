/**
 * Clients that ask without a pause: in turns a GET, which may be sent to an application again, and a
 * POST, which may not. Each POST has an id of its own, and the application writes it to a journal
 * before it answers. So what was done can be set against what was promised: nothing that was
 * answered may be missing there, and nothing may stand there twice.
 */
import assert from "node:assert/strict";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Afcgi } from "../support/afcgi.ts";
import { waitUntil } from "../support/places.ts";
import { HttpConnection, type HttpResponse } from "../support/raw_http.ts";

export const CLIENTS = 64;

/** A wait has a limit, which is for clients that stand still, not for a long run. */
const REQUESTS_PER_WAIT = 200;

/**
 * How one request ended; without a status the connection ended before a header section had come.
 */
interface Outcome {
  readonly method: "GET" | "POST";
  readonly id: string;
  readonly response: HttpResponse | undefined;
  /** It was in flight while the application was being ended. */
  readonly wasDisturbed: boolean;
}

export class Load {
  readonly #port: number;
  readonly #journal: string;
  readonly #failed: Outcome[] = [];
  /** Ids of POSTs that were answered with 200. */
  readonly #kept: string[] = [];
  readonly #clients: Promise<void>[] = [];
  #succeeded = 0;
  #disturbances = 0;
  #isDisturbed = false;
  #stopping = false;

  private constructor(port: number, journal: string) {
    this.#port = port;
    this.#journal = journal;
  }

  /** Begins at once; the journal is a file in `directory`. */
  static start(port: number, directory: string): Load {
    const journal = join(directory, `journal-${crypto.randomUUID()}`);
    writeFileSync(journal, "");
    // php-fpm's children are another user's.
    chmodSync(journal, 0o666);
    const load = new Load(port, journal);
    for (let client = 0; client < CLIENTS; client++) load.#clients.push(load.#run(client));
    return load;
  }

  /** Resolves when this many requests more have succeeded, as many as each client a few. */
  async goOn(requests = CLIENTS * 4): Promise<void> {
    const enough = this.#succeeded + requests;
    while (this.#succeeded < enough) {
      const next = Math.min(enough, this.#succeeded + REQUESTS_PER_WAIT);
      await waitUntil(() => this.#succeeded >= next, `${next} requests that succeed`);
    }
  }

  /** What is in flight from here on, until `action` is done, may fail; nothing else may. */
  async disturb(action: () => Promise<void>): Promise<void> {
    this.#disturbances++;
    this.#isDisturbed = true;
    await action();
    this.#isDisturbed = false;
  }

  /** Lets each client end its request, and counts. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#clients);
  }

  /** Nothing lost, nothing doubled; what failed was in flight, and a POST or begun response. */
  check(afcgi: Afcgi): void {
    const runs = new Map<string, number>();
    for (const id of readFileSync(this.#journal, "utf8").split("\n").slice(0, -1)) {
      runs.set(id, (runs.get(id) ?? 0) + 1);
    }
    const doubled = [...runs].filter(([, count]) => count > 1).map(([id]) => id);
    const lost = this.#kept.filter((id) => !runs.has(id));
    assert.deepEqual({ doubled, lost }, { doubled: [], lost: [] });
    for (const outcome of this.#failed) {
      assert.ok(mayFail(outcome), `${describe(outcome)} should not have failed`);
    }
    this.#checkCutGets(afcgi);
    assert.ok(this.#kept.length > CLIENTS, `only ${this.#kept.length} POSTs were answered`);
  }

  /**
   * The header section of a response that broke off may not have left yet: then afcgi says that it
   * began.
   */
  #checkCutGets({ log }: Afcgi): void {
    const cut = this.#failed.filter(({ method }) => method === "GET").length;
    const begun =
      log.filter(({ method, msg }) =>
        method === "GET" && String(msg).startsWith("Response broke off")
      ).length;
    assert.ok(cut <= begun, `${cut} GETs were cut, ${begun} responses had begun: ${this.failures}`);
  }

  /** For messages. */
  get failures(): string {
    return this.#failed.map(describe).join(", ");
  }

  async #run(client: number): Promise<void> {
    let connection: HttpConnection | undefined;
    for (let count = 0; !this.#stopping; count++) {
      const method = (client + count) % 2 === 0 ? "GET" : "POST";
      const id = `${client}.${count}`;
      const before = this.#isDisturbed ? -1 : this.#disturbances;
      let response: HttpResponse | undefined;
      try {
        connection ??= await HttpConnection.open(this.#port);
        await connection.send(
          method === "GET"
            ? { target: "/hello" }
            : { method, target: `/journal?file=${this.#journal}`, body: id },
        );
        response = await connection.readResponse();
      } catch {
        // Without a response: so it is noted.
      }
      this.#note({ method, id, response, wasDisturbed: before !== this.#disturbances });
      if (response?.complete && response.headers.get("connection") !== "close") continue;
      connection?.destroy();
      connection = undefined;
    }
    connection?.destroy();
  }

  #note(outcome: Outcome): void {
    const { method, id, response } = outcome;
    if (response?.status !== 200 || !response.complete) {
      this.#failed.push(outcome);
      return;
    }
    // Another's response would be the worst of all.
    const right = method === "GET" ? "hello\n" : `kept ${id}\n`;
    assert.equal(response.body.toString(), right, `the response of ${describe(outcome)}`);
    this.#succeeded++;
    if (method === "POST") this.#kept.push(id);
  }
}

function mayFail({ method, response, wasDisturbed }: Outcome): boolean {
  if (!wasDisturbed) return false;
  const isCut = response === undefined || (response.status === 200 && !response.complete);
  if (isCut) return true;
  return method === "POST" && (response.status === 502 || response.status === 503);
}

function describe({ method, id, response, wasDisturbed }: Outcome): string {
  const when = wasDisturbed ? "in flight at the time" : "at rest";
  if (response === undefined) return `${method} ${id} (no response, ${when})`;
  return `${method} ${id} (${response.status}, ${response.complete ? "whole" : "cut"}, ${when})`;
}
