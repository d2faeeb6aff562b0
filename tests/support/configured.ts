/**
 * A gateway in the test's own process that is made from a configuration file's text, so that a test
 * shows what a user would write. `${env.APP}` is the address of the application behind it.
 */
import assert from "node:assert/strict";
import { formatError } from "../../src/config/located_error.ts";
import { readConfig } from "../../src/config/read_config.ts";
import type { FastCgiHandler } from "../../src/responder/options.ts";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import type { Files } from "../../src/runtime/files.ts";
import type { ListenOptions } from "../../src/app/options.ts";
import { HeldFiles } from "./descriptors.ts";
import {
  freshPath,
  type Gateway,
  LISTEN,
  runtime,
  startGateway,
  untilNothingIsOpen,
} from "./gateway.ts";

export interface Configured {
  readonly text: string;
  /** Left out where nothing is to reach it. */
  readonly application?: FastCgiHandler;
  readonly env?: Readonly<Record<string, string>>;
  /** Where relative paths start. */
  readonly directory?: string;
  /** One on loopback, left out; "file": as the file says. */
  readonly listen?: readonly ListenOptions[] | "file";
  /** In the place of the real ones. */
  readonly files?: Files;
}

/** The upstream "app" of the application, as a line of a file. */
export const APP_UPSTREAM = 'upstreams: { app: { servers: ["${env.APP}"], multiplex: "on" } }';

/** Starts application and afcgi, hands the gateway to `use` and stops both. */
export async function withConfig(
  { text, application, env, directory = "/", listen = [LISTEN], files = runtime.files }: Configured,
  use: (gateway: Gateway) => Promise<void>,
): Promise<void> {
  const path = freshPath();
  const held = new HeldFiles();
  const variables: Record<string, string> = { APP: `unix:${path}`, ...env };
  const { options, errors: errors } = readConfig(text, {
    source: "afcgi.yaml",
    directory,
    files,
    readVariable: (name) => variables[name],
    rootGiven: false,
  });
  assert.deepEqual(errors.map(formatError), []);
  const running = application &&
    await serveFastCgi(application, { listen: { transport: "unix", path } });
  try {
    const gateway = await startGateway(
      { ...options!, ...(listen !== "file" && { listen }) },
      files,
    );
    try {
      await use(gateway);
      await untilNothingIsOpen(gateway);
    } finally {
      await gateway.app.stop();
    }
  } finally {
    await running?.shutdown({ grace: 0 });
  }
  await held.untilClosed();
}
