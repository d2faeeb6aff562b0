/**
 * The floor: the smallest gateway there can be on Bun's own sockets. It reads no header, checks
 * nothing, logs nothing, has no limits and no errors; each client's read becomes one request of fixed
 * bytes, each response one write; one that is long is written as it comes, and its connection is not
 * read while the client has yet to take some. What afcgi costs above it is ours, the rest is the runtime's and the
 * system's.
 *
 *     bun floor_server.ts PORT SOCKET STREAMS ROOT
 */
import type { Socket } from "bun";

const [port, path, streams, root] = process.argv.slice(2) as [string, string, string, string];
const multiplexes = Number(streams) > 1;

const BEGIN_REQUEST = 1;
const END_REQUEST = 3;
const PARAMS = 4;
const STDIN = 5;
const STDOUT = 6;
const HEADER_LENGTH = 8;

type Client = Socket<undefined>;

/** As many parameters as a request of wrk has, with what php-fpm wants to run a script. */
const SCRIPT = "/index.php";
const PARAMETERS: Readonly<Record<string, string>> = {
  GATEWAY_INTERFACE: "CGI/1.1",
  SERVER_PROTOCOL: "HTTP/1.1",
  SERVER_SOFTWARE: "floor",
  REQUEST_METHOD: "GET",
  REQUEST_SCHEME: "http",
  REQUEST_URI: SCRIPT,
  DOCUMENT_URI: SCRIPT,
  DOCUMENT_ROOT: root,
  SCRIPT_NAME: SCRIPT,
  SCRIPT_FILENAME: root + SCRIPT,
  QUERY_STRING: "",
  CONTENT_LENGTH: "",
  CONTENT_TYPE: "",
  REMOTE_ADDR: "127.0.0.1",
  REMOTE_PORT: "50000",
  SERVER_ADDR: "127.0.0.1",
  SERVER_PORT: port,
  SERVER_NAME: "127.0.0.1",
  REDIRECT_STATUS: "200",
  HTTP_HOST: `127.0.0.1:${port}`,
};

const requests = new Map<number, Uint8Array>();

/** What the clients ask for behind the path: all of them the same. */
let query = "";

function readQuery(bytes: Buffer): void {
  const start = bytes.indexOf("?") + 1;
  const asked = start === 0 ? "" : bytes.toString("latin1", start, bytes.indexOf(" ", start));
  if (asked !== query) requests.clear();
  query = asked;
}

/** The bytes of a request, made once for each id. */
function requestBytes(id: number): Uint8Array {
  let bytes = requests.get(id);
  if (bytes === undefined) {
    const parameters = { ...PARAMETERS, QUERY_STRING: query };
    const pairs = Object.entries(parameters).map(([name, value]) =>
      Buffer.concat([Buffer.from([name.length, value.length]), Buffer.from(name + value)])
    );
    bytes = Buffer.concat([
      record(BEGIN_REQUEST, id, Buffer.from([0, 1, 1, 0, 0, 0, 0, 0])),
      record(PARAMS, id, Buffer.concat(pairs)),
      record(PARAMS, id, Buffer.alloc(0)),
      record(STDIN, id, Buffer.alloc(0)),
    ]);
    requests.set(id, bytes);
  }
  return bytes;
}

function record(type: number, id: number, content: Buffer): Buffer {
  const header = Buffer.from([1, type, 0, 0, 0, 0, 0, 0]);
  header.writeUInt16BE(id, 2);
  header.writeUInt16BE(content.length, 4);
  return Buffer.concat([header, content]);
}

const STATUS = Buffer.from("HTTP/1.1 200 OK\r\n");
const END = Buffer.from("\r\n\r\n");

interface Open {
  readonly client: Client;
  response: Buffer;
  /** It is long: some of it was written already. */
  hasBegun: boolean;
}

/** From so many bytes on a response is written before it is whole. */
const LONG_LENGTH = 256 * 1024;

/** What a client has yet to take, and the connection that waits for it. */
interface Unsent {
  readonly bytes: Buffer;
  readonly connection: Connection;
}

const unsent = new Map<Client, Unsent>();

/** One connection to the application. */
class Connection {
  readonly #open = new Map<number, Open>();
  readonly #ids: number[] = [];
  #nextId = 1;
  #out: Uint8Array[] = [];
  #rest = Buffer.alloc(0);
  /** Clients that it waits for. */
  #waiting = 0;
  socket: Socket<Connection> | undefined;

  send(client: Client): void {
    const id = this.#ids.pop() ?? this.#nextId++;
    this.#open.set(id, { client, response: Buffer.alloc(0), hasBegun: false });
    if (this.#out.push(requestBytes(id)) === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const [first] = this.#out;
    this.socket!.write(this.#out.length === 1 ? first! : Buffer.concat(this.#out));
    this.#out = [];
  }

  received(bytes: Buffer): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    while (at + HEADER_LENGTH <= all.length) {
      const end = at + HEADER_LENGTH + all.readUInt16BE(at + 4);
      if (end + all[at + 6]! > all.length) break;
      this.#record(all[at + 1]!, all.readUInt16BE(at + 2), all.subarray(at + HEADER_LENGTH, end));
      at = end + all[at + 6]!;
    }
    this.#rest = Buffer.from(all.subarray(at));
  }

  #record(type: number, id: number, content: Buffer): void {
    const open = this.#open.get(id)!;
    if (type === STDOUT && open.hasBegun) this.#write(open.client, content);
    else if (type === STDOUT && content.length > 0) {
      open.response = open.response.length === 0
        ? content
        : Buffer.concat([open.response, content]);
    }
    if (!open.hasBegun && open.response.length >= LONG_LENGTH) {
      open.hasBegun = true;
      this.#write(open.client, Buffer.concat([STATUS, open.response]));
    }
    if (type !== END_REQUEST) return;
    this.#open.delete(id);
    this.#ids.push(id);
    const { client, response, hasBegun } = open;
    if (hasBegun) return;
    const length = Buffer.from(
      `Content-Length: ${response.length - response.indexOf(END) - 4}\r\n`,
    );
    const hasLength = response.includes("Content-Length:");
    client.write(Buffer.concat(hasLength ? [STATUS, response] : [STATUS, length, response]));
    if (!multiplexes) idle.push(this);
  }

  #write(client: Client, bytes: Buffer): void {
    const before = unsent.get(client);
    const taken = before === undefined ? client.write(bytes) : 0;
    if (taken === bytes.length) return;
    if (before === undefined && ++this.#waiting === 1) this.socket!.pause();
    const rest = Buffer.concat([before?.bytes ?? Buffer.alloc(0), bytes.subarray(taken)]);
    unsent.set(client, { bytes: rest, connection: this });
  }

  drained(client: Client, { bytes }: Unsent): void {
    const taken = client.write(bytes);
    if (taken < bytes.length) {
      unsent.set(client, { bytes: bytes.subarray(taken), connection: this });
      return;
    }
    unsent.delete(client);
    if (--this.#waiting === 0) this.socket!.resume();
  }
}

const idle: Connection[] = [];

async function connect(): Promise<Connection> {
  const connection = new Connection();
  connection.socket = await Bun.connect<Connection>({
    unix: path,
    data: connection,
    socket: {
      data: (socket, bytes) => socket.data.received(bytes),
      error: (_socket, error) => {
        throw error;
      },
    },
  });
  return connection;
}

const shared = multiplexes ? await connect() : undefined;

function ask(client: Client, bytes: Buffer): void {
  readQuery(bytes);
  const connection = shared ?? idle.pop();
  if (connection !== undefined) connection.send(client);
  else void connect().then((fresh) => fresh.send(client));
}

Bun.listen({
  hostname: "127.0.0.1",
  port: Number(port),
  socket: {
    data: ask,
    drain: (client: Client) => {
      const rest = unsent.get(client);
      rest?.connection.drained(client, rest);
    },
    error: () => {},
  },
});
