/** afcgi with its defaults, but for its one thread: the executable (Bun), and the same files on Deno. */
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AFCGI } from "../../tests/support/afcgi.ts";
import { placeUrl } from "../../tests/support/places.ts";
import { benchFile } from "../scope.ts";
import type { Application } from "../applications/application.ts";
import { type Command, type Contender, type ProxySetup, tlsFiles } from "./contender.ts";

/** What the widest case asks for; the default is 64 MiB. */
const BODY_MAX = "2GiB";

export const afcgi: Contender = {
  name: "afcgi",
  title: "afcgi",
  servesFiles: true,
  command: (setup) => serve(AFCGI, [], setup),
};

export const afcgiOnDeno: Contender = {
  name: "deno",
  title: "afcgi on Deno",
  servesFiles: true,
  command: (setup) =>
    serve(
      benchFile("../node_modules/.bin/deno"),
      [
        "run",
        "-A",
        "--no-check",
        "--config",
        benchFile("../deno.json"),
        benchFile("../src/main.ts"),
      ],
      setup,
    ),
};

function serve(program: string, args: readonly string[], setup: ProxySetup): Command {
  const config = join(setup.directory, "afcgi.yaml");
  // JSON is YAML.
  writeFileSync(config, JSON.stringify(configOf(setup)));
  return { program, args: [...args, "serve", "--config", config] };
}

function configOf(setup: ProxySetup): Record<string, unknown> {
  const { application, kept, connectionsMax, root, accessLog } = setup;
  const streams = application?.streams ?? 1;
  const connections = {
    reuse: kept > 0,
    ...(streams > 1 && { streams }),
    ...(connectionsMax !== undefined && { max: connectionsMax }),
  };
  return {
    listen: [listenerOf(setup)],
    workers: setup.threads ?? 1,
    log: { access: accessLog ?? "off" },
    limits: { request_body: BODY_MAX },
    ...(application &&
      { upstreams: { app: { servers: serversOf(setup, application), connections } } }),
    sites: [
      ...(setup.hasUnused ? [unusedSite(root)] : []),
      ...grownSites(setup),
      {
        ...(needsRoot(setup) && { root }),
        ...(setup.isCompressed && { compression: { encodings: ["gzip"] } }),
        routes: [...(setup.hasUnused ? UNUSED_ROUTES : []), ...grownRoutes(setup), routeOf(setup)],
      },
    ],
  };
}

/** One socket under as many names as there are to be servers. */
function serversOf({ directory, grown }: ProxySetup, { place }: Application): readonly string[] {
  const { servers: count = 1 } = grown ?? {};
  if (count === 1) return [placeUrl(place)];
  return Array.from({ length: count }, (_, at) => {
    const path = join(directory, `${at}.sock`);
    symlinkSync(place.path, path);
    return placeUrl({ network: "unix", path });
  });
}

function grownSites({ grown }: ProxySetup): readonly Record<string, unknown>[] {
  const { count = 0, areWildcards = false } = grown?.sites ?? {};
  return Array.from({ length: count }, (_, at) => ({
    hosts: [`${areWildcards ? "*." : ""}site-${at}.example`],
    routes: [{ fastcgi: UPSTREAM }],
  }));
}

function grownRoutes({ grown }: ProxySetup): readonly Record<string, unknown>[] {
  return (grown?.paths ?? []).map((path) => ({ path, fastcgi: UPSTREAM }));
}

function grownParams({ grown }: ProxySetup): Record<string, string> {
  const { count = 0, areFixed = false } = grown?.params ?? {};
  const value = areFixed ? "the same" : "${request.path}";
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`PARAM_${at}`, value]));
}

function listenerOf(setup: ProxySetup): unknown {
  const address = `127.0.0.1:${setup.port}`;
  if (!setup.isTls) return address;
  const { cert, key } = tlsFiles(setup);
  return { address, tls: { cert, key } };
}

function needsRoot({ application, hasUnused }: ProxySetup): boolean {
  return hasUnused === true || application === undefined || application.root !== undefined;
}

const UPSTREAM = { upstream: "app" };
const SIBLINGS = { listing: true, precompressed: ["br", "gzip"] };

function unusedSite(root: string): Record<string, unknown> {
  return {
    hosts: ["other.example", "*.other.example"],
    root,
    trusted_proxies: ["127.0.0.1"],
    trace_context: true,
    compression: {},
    headers: { set: { "X-Other": "1" }, remove: ["Server"] },
    local_redirects: true,
    sendfile: [root],
    security_headers: {},
    cors: { origins: ["https://app.other.example"] },
    ip_restriction: { allow: ["127.0.0.1"] },
    routes: [{ php: UPSTREAM }, { static: SIBLINGS }],
  };
}

/** Each would answer other requests than those of a case; the last is looked at by its method. */
const UNUSED_ROUTES: readonly Record<string, unknown>[] = [
  { path: "/files/*", static: SIBLINGS },
  { path: "/checked/*", authorize: UPSTREAM, compression: {}, fastcgi: UPSTREAM },
  { path: "/private/*", basic_auth: { users: { reader: "a password" } }, fastcgi: UPSTREAM },
  { path: "*.php", php: UPSTREAM },
  { path: "/filtered/*", filter: UPSTREAM },
  { path: "/old/*", redirect: { to: "/new" } },
  { path: "/gone", respond: { status: 410 } },
  {
    methods: ["DELETE"],
    headers: { set: { "X-A": "b" } },
    request_body: "gather",
    fastcgi: { ...UPSTREAM, params: { ASKED: "${request.path}" } },
  },
];

function routeOf(setup: ProxySetup): Record<string, unknown> {
  const { application, grown } = setup;
  if (application === undefined) return { static: {} };
  if (application.root !== undefined) return { php: UPSTREAM };
  return { fastcgi: { ...UPSTREAM, ...(grown?.params && { params: grownParams(setup) }) } };
}
