/**
 * A MariaDB of the test's own: a fresh data directory in a temporary directory, a unix socket that
 * everybody may use, no port. Nothing of the machine's own MariaDB is read or touched.
 */
import { join } from "node:path";
import { Child } from "../support/child.ts";
import { PEER_PATH } from "../support/peers.ts";
import { temporaryDirectory } from "../support/places.ts";

/** One that is small and gone soon: nothing needs to survive a crash. */
const SMALL = [
  "--skip-log-bin",
  "--innodb-log-file-size=8M",
  "--innodb-buffer-pool-size=32M",
  "--innodb-flush-log-at-trx-commit=0",
  "--innodb-doublewrite=0",
];

/** A database and who may use it. */
export interface Account {
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

export class MariaDb {
  readonly socket: string;
  readonly #server: Child;

  private constructor(server: Child, socket: string) {
    this.#server = server;
    this.socket = socket;
  }

  /** Resolves when it takes connections. */
  static async start(): Promise<MariaDb> {
    const directory = temporaryDirectory();
    const socket = join(directory, "mariadb.sock");
    const common = [
      "--no-defaults",
      // Root must say that it means it.
      ...(process.getuid?.() === 0 ? ["--user=root"] : []),
      `--datadir=${join(directory, "data")}`,
      ...SMALL,
    ];
    await run("mariadb-install-db", [
      ...common,
      "--auth-root-authentication-method=normal",
      "--skip-test-db",
    ]);
    const listening = [`--socket=${socket}`, "--skip-networking", `--pid-file=${directory}/pid`];
    const server = program("mariadbd", [...common, ...listening]);
    await server.stderr.waitFor((line) => line.includes("ready for connections"));
    return new MariaDb(server, socket);
  }

  /** Makes an empty database, and a user with all rights in it. */
  async createDatabase({ database, user, password }: Account): Promise<void> {
    const sql = [
      `CREATE DATABASE ${database} CHARACTER SET utf8mb4`,
      `CREATE USER ${user}@localhost IDENTIFIED BY '${password}'`,
      `GRANT ALL ON ${database}.* TO ${user}@localhost`,
    ].join("; ");
    await run("mariadb", ["--no-defaults", "-u", "root", "-S", this.socket, "-e", sql]);
  }

  async stop(): Promise<void> {
    await this.#server.stop();
  }
}

function program(name: string, args: readonly string[]): Child {
  return new Child(name, args, { env: { PATH: PEER_PATH } });
}

async function run(name: string, args: readonly string[]): Promise<void> {
  const child = program(name, args);
  const { code } = await child.exited;
  const output = [...child.stdout.lines, ...child.stderr.lines].join("\n");
  if (code !== 0) throw new Error(`Cannot run "${name}": it ended with status ${code}:\n${output}`);
}
