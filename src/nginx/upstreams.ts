/**
 * `upstream` blocks and addresses of `fastcgi_pass` and `proxy_pass` → our upstreams, with what
 * locations say of them.
 */
import { type Notes, placeOf, textOf } from "../import/notes.ts";
import type { Directive } from "./parser.ts";
import { Scope } from "./scope.ts";
import { nginxTime, timeText } from "./units.ts";
import type { Part } from "../import/yaml_writer.ts";

interface Upstream {
  readonly place: Directive;
  readonly settings: Record<string, unknown>;
}

/** Directives of a location that are the upstream's here, with the keys that they become. */
const TIMEOUTS: Readonly<Record<string, readonly string[]>> = {
  connect_timeout: ["connect"],
  read_timeout: ["first_byte", "idle"],
};

/** How an upstream is spoken to: FastCGI, HTTP, or HTTP over TLS. */
type Speech = "fastcgi" | "http" | "https";

export class Upstreams {
  readonly #blocks = new Map<string, Directive>();
  readonly #byTarget = new Map<string, { name: string; upstream: Upstream }>();
  readonly #notes: Notes;
  readonly #isFile: (path: string) => boolean;

  constructor(
    blocks: readonly Directive[],
    notes: Notes,
    isFile: (path: string) => boolean = () => false,
  ) {
    this.#notes = notes;
    this.#isFile = isFile;
    for (const block of blocks) this.#blocks.set(block.args[0] ?? "", block);
  }

  /** The name of the upstream that `fastcgi_pass` means; undefined when it cannot be said. */
  nameOf(pass: Directive, scope: Scope, target = pass.args[0] ?? ""): string | undefined {
    return this.#nameOf(pass, target, "fastcgi", scope);
  }

  /** The same for `proxy_pass`. */
  nameOfHttp(
    pass: Directive,
    { target, scheme }: { readonly target: string; readonly scheme: string },
    scope: Scope,
  ): string | undefined {
    const name = this.#nameOf(pass, target, scheme as Speech, scope);
    const known = this.#byTarget.get(`${scheme} ${target}`);
    if (name === undefined || scheme !== "https" || known === undefined) return name;
    this.#tellTls(pass, known.upstream, scope);
    return name;
  }

  #nameOf(pass: Directive, target: string, speech: Speech, scope: Scope): string | undefined {
    const known = this.#byTarget.get(`${speech} ${target}`) ?? this.#make(target, speech, pass);
    if (known === undefined) return undefined;
    this.#notes.take(pass);
    this.#tell(known.upstream, scope, speech === "fastcgi" ? "fastcgi" : "proxy");
    return known.name;
  }

  get parts(): (Part & { name: string })[] {
    return [...this.#byTarget.values()].map(({ name, upstream: { place, settings } }) => ({
      name,
      comment: `${placeOf(place)}: ${textOf(place)}`,
      value: settings,
    }));
  }

  #make(
    target: string,
    speech: Speech,
    pass: Directive,
  ): { name: string; upstream: Upstream } | undefined {
    const block = this.#blocks.get(target);
    const settings = block === undefined
      ? oneServer(target, speech)
      : this.#readBlock(block, speech);
    if (settings === undefined) return undefined;
    const taken = [...this.#byTarget.values()].map(({ name }) => name);
    const plain = speech === "fastcgi" ? "php" : "backend";
    const base = block === undefined ? plain : target.replaceAll(/[^A-Za-z0-9_.-]/g, "_");
    let name = base;
    for (let count = 2; taken.includes(name); count++) name = `${base}${count}`;
    const made = { name, upstream: { place: block ?? pass, settings } };
    this.#byTarget.set(`${speech} ${target}`, made);
    return made;
  }

  #readBlock(block: Directive, speech: Speech): Record<string, unknown> | undefined {
    const scope = new Scope(block.block ?? []);
    const servers = scope.own("server").map((server) => this.#readServer(server, speech))
      .filter((server) => server !== undefined);
    if (servers.length === 0) return undefined;
    this.#notes.take(block);
    const settings: Record<string, unknown> = { [serversKey(speech)]: servers };
    const [way] = scope.own("least_conn", "ip_hash", "hash");
    if (way === undefined) settings["balance"] = "round_robin";
    else if (way.name === "least_conn") settings["balance"] = "least_requests";
    else if (way.name === "ip_hash" || way.args[0] === "$remote_addr") settings["balance"] = "hash";
    else return settings;
    this.#notes.take(way);
    return settings;
  }

  #readServer(server: Directive, speech: Speech): unknown {
    const [target = "", ...options] = server.args;
    const address = addressOf(target, speech);
    if (address === undefined) return undefined;
    const read: Record<string, unknown> = { address };
    for (const option of options) {
      const weight = /^weight=(\d+)$/.exec(option)?.[1];
      if (option === "down") {
        this.#notes.add("lost", server, "the server is marked as down and is left out");
        return undefined;
      }
      if (weight !== undefined) read["weight"] = Number(weight);
      else if (option === "backup") read["backup"] = true;
      else this.#notes.add("lost", server, `"${option}" has no counterpart`);
    }
    this.#notes.take(server);
    return Object.keys(read).length === 1 ? address : read;
  }

  /** What a location says of its application holds for all who use it: the longest time counts. */
  #tell({ settings }: Upstream, scope: Scope, kind: "fastcgi" | "proxy"): void {
    for (const [name, keys] of Object.entries(TIMEOUTS)) {
      const directive = scope.one(`${kind}_${name}`);
      const timeMs = directive && nginxTime(directive.args[0] ?? "");
      if (directive === undefined || !timeMs) continue;
      this.#notes.take(directive);
      const timeouts = (settings["timeouts"] ?? {}) as Record<string, string>;
      for (const key of keys) {
        timeouts[key] = timeText(Math.max(nginxTime(timeouts[key] ?? "0") ?? 0, timeMs));
      }
      settings["timeouts"] = timeouts;
      // Of a WebSocket nginx waits as long, and here its time is its own.
      const upgrades = scope.all("proxy_set_header").some(({ args }) =>
        /^upgrade$/i.test(args[0] ?? "")
      );
      if (name === "read_timeout" && upgrades) {
        settings["tunnels"] = { idle_timeout: timeouts["idle"] };
      }
    }
    const keep = scope.one("fastcgi_keep_conn");
    if (keep === undefined || kind !== "fastcgi") return;
    this.#notes.take(keep);
    if (keep.args[0] === "off") settings["connections"] = { reuse: false };
  }

  /** A certificate is always checked here. */
  #tellTls(pass: Directive, { settings }: Upstream, scope: Scope): void {
    const names = ["proxy_ssl_verify", "proxy_ssl_server_name", "proxy_ssl_session_reuse"];
    this.#notes.take(...names.map((name) => scope.one(name)));
    const verify = scope.one("proxy_ssl_verify");
    if (verify?.args[0] !== "on") {
      this.#notes.add("differs", verify ?? pass, "the server's certificate is checked here");
    }
    const name = scope.one("proxy_ssl_name");
    const tls: Record<string, string> = {};
    if (name !== undefined && !name.args.join("").includes("$")) {
      this.#notes.take(name);
      tls["server_name"] = name.args[0] ?? "";
    }
    const trusted = scope.one("proxy_ssl_trusted_certificate");
    if (trusted !== undefined && this.#isFile(trusted.args[0] ?? "")) {
      this.#notes.take(trusted);
      tls["ca"] = trusted.args[0]!;
    }
    if (Object.keys(tls).length > 0) settings["tls"] = tls;
  }
}

function serversKey(speech: Speech): "servers" | "http" {
  return speech === "fastcgi" ? "servers" : "http";
}

function oneServer(target: string, speech: Speech): Record<string, unknown> | undefined {
  const address = addressOf(target, speech);
  return address === undefined ? undefined : { [serversKey(speech)]: [address] };
}

/** nginx's port of a server without one is 80, or 443 over TLS. */
function addressOf(target: string, speech: Speech): string | undefined {
  if (
    target.includes("$") || target === "" || target.includes("/") && !target.startsWith("unix:")
  ) {
    return undefined;
  }
  if (target.startsWith("unix:")) {
    return speech === "https" ? undefined : target.replace(/:$/, "");
  }
  const hasPort = /:\d+$/.test(target);
  if (speech === "https") return `https://${target}`;
  if (speech === "http") return hasPort ? target : `http://${target}`;
  return `tcp://${hasPort ? target : `${target}:80`}`;
}
