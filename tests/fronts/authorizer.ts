/** An authorizer for web servers: who has the word comes in, as the user that the word stands for. */
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { authorized } from "../../src/responder/authorized.ts";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";

export interface RunningAuthorizer {
  readonly socket: string;
  /** `host:port` of the same application. */
  readonly address: string;
  /** The role of each request so far. */
  readonly roles: readonly string[];
  stop(): Promise<void>;
}

export async function startAuthorizer(directory: string): Promise<RunningAuthorizer> {
  const socket = join(directory, "authorizer.sock");
  const roles: string[] = [];
  const servers = await Promise.all(
    [`unix:${socket}`, "127.0.0.1:0"].map((listen) =>
      serveFastCgi((request, { role }) => {
        roles.push(role);
        if (request.headers.get("authorization") === "Bearer sesame") {
          return authorized({ REMOTE_USER: "ali baba" });
        }
        return new Response("Who are you?\n", { status: 401 });
      }, { listen })
    ),
  );
  // Web servers that were started by root serve as somebody else.
  chmodSync(socket, 0o666);
  const { addr } = servers[1]!;
  return {
    socket,
    address: addr.transport === "tcp" ? `127.0.0.1:${addr.port}` : "",
    roles,
    async stop() {
      await Promise.all(servers.map((server) => server.shutdown({ grace: 0 })));
    },
  };
}
