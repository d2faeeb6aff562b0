/** The admin address of a running executable: what `/status` and `/metrics` say. */
import assert from "node:assert/strict";
import type { Afcgi } from "./afcgi.ts";
import { httpRequest } from "./raw_http.ts";

export interface ConnectionStatus {
  readonly number: number;
  readonly state: string;
  readonly streams: number;
  readonly requests: number;
  readonly paused: boolean;
  readonly stray_records: number;
}

export interface UpstreamStatus {
  readonly name: string;
  readonly requests_open: number;
  readonly queue_length: number;
  readonly servers: readonly {
    readonly address: string;
    readonly mode: string;
    readonly connections: readonly ConnectionStatus[];
  }[];
}

export interface WorkerStatus {
  readonly name: string;
  readonly state: string;
  readonly restarts: number;
  readonly connections: number;
  readonly event_loop_delay_ms: number;
}

/** Goes into the config of an afcgi whose admin address is to be asked. */
export const ADMIN = { admin: { listen: "127.0.0.1:0" } } as const;

/** Asks it; the port is known from its log. */
export class Admin {
  readonly #port: number;

  private constructor(port: number) {
    this.#port = port;
  }

  static async of(afcgi: Pick<Afcgi, "waitForLog">): Promise<Admin> {
    const { address } = await afcgi.waitForLog((line) => line.for === "admin");
    return new Admin(Number(/:(\d+)$/.exec(String(address))?.[1]));
  }

  async upstreams(): Promise<readonly UpstreamStatus[]> {
    return JSON.parse(await this.#get("/status")).upstreams;
  }

  /** The threads that serve. */
  async workers(): Promise<readonly WorkerStatus[]> {
    return JSON.parse(await this.#get("/status")).workers;
  }

  /** All connections to applications. */
  async connections(): Promise<readonly ConnectionStatus[]> {
    return (await this.upstreams()).flatMap(({ servers }) =>
      servers.flatMap(({ connections }) => connections)
    );
  }

  /** A metric's value, added up over its labels; 0 where it has none yet. */
  async metric(name: string): Promise<number> {
    const lines = (await this.#get("/metrics")).split("\n");
    const values = lines.filter((line) =>
      line.startsWith(`${name}{`) || line.startsWith(`${name} `)
    );
    return values.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
  }

  async #get(target: string): Promise<string> {
    const response = await httpRequest(this.#port, { target, headers: { Host: "localhost" } });
    assert.equal(response.status, 200);
    return response.body.toString();
  }
}
