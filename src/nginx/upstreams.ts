/** `upstream` blocks and addresses of `fastcgi_pass` → our upstreams, with what locations say of them. */
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
  fastcgi_connect_timeout: ["connect"],
  fastcgi_read_timeout: ["first_byte", "idle"],
};

export class Upstreams {
  readonly #blocks = new Map<string, Directive>();
  readonly #byTarget = new Map<string, { name: string; upstream: Upstream }>();
  readonly #notes: Notes;

  constructor(blocks: readonly Directive[], notes: Notes) {
    this.#notes = notes;
    for (const block of blocks) this.#blocks.set(block.args[0] ?? "", block);
  }

  /** The name of the upstream that `fastcgi_pass` means; undefined when it cannot be said. */
  nameOf(pass: Directive, scope: Scope): string | undefined {
    const target = pass.args[0] ?? "";
    const known = this.#byTarget.get(target) ?? this.#make(target, pass);
    if (known === undefined) return undefined;
    this.#notes.take(pass);
    this.#tell(known.upstream, scope);
    return known.name;
  }

  get parts(): (Part & { name: string })[] {
    return [...this.#byTarget.values()].map(({ name, upstream: { place, settings } }) => ({
      name,
      comment: `${placeOf(place)}: ${textOf(place)}`,
      value: settings,
    }));
  }

  #make(target: string, pass: Directive): { name: string; upstream: Upstream } | undefined {
    const block = this.#blocks.get(target);
    const settings = block === undefined ? oneServer(target) : this.#readBlock(block);
    if (settings === undefined) return undefined;
    const taken = [...this.#byTarget.values()].map(({ name }) => name);
    const base = block === undefined ? "php" : target.replaceAll(/[^A-Za-z0-9_.-]/g, "_");
    let name = base;
    for (let count = 2; taken.includes(name); count++) name = `${base}${count}`;
    const made = { name, upstream: { place: block ?? pass, settings } };
    this.#byTarget.set(target, made);
    return made;
  }

  #readBlock(block: Directive): Record<string, unknown> | undefined {
    const scope = new Scope(block.block ?? []);
    const servers = scope.own("server").map((server) => this.#readServer(server))
      .filter((server) => server !== undefined);
    if (servers.length === 0) return undefined;
    this.#notes.take(block);
    const settings: Record<string, unknown> = { servers };
    const [way] = scope.own("least_conn", "ip_hash", "hash");
    if (way === undefined) settings["balance"] = "round_robin";
    else if (way.name === "least_conn") settings["balance"] = "least_requests";
    else if (way.name === "ip_hash" || way.args[0] === "$remote_addr") settings["balance"] = "hash";
    else return settings;
    this.#notes.take(way);
    return settings;
  }

  #readServer(server: Directive): unknown {
    const [target = "", ...options] = server.args;
    const address = addressOf(target);
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
  #tell({ settings }: Upstream, scope: Scope): void {
    for (const [name, keys] of Object.entries(TIMEOUTS)) {
      const directive = scope.one(name);
      const timeMs = directive && nginxTime(directive.args[0] ?? "");
      if (directive === undefined || timeMs === undefined) continue;
      this.#notes.take(directive);
      const timeouts = (settings["timeouts"] ?? {}) as Record<string, string>;
      for (const key of keys) {
        timeouts[key] = timeText(Math.max(nginxTime(timeouts[key] ?? "0") ?? 0, timeMs));
      }
      settings["timeouts"] = timeouts;
    }
    const keep = scope.one("fastcgi_keep_conn");
    if (keep === undefined) return;
    this.#notes.take(keep);
    if (keep.args[0] === "off") settings["connections"] = { reuse: false };
  }
}

function oneServer(target: string): Record<string, unknown> | undefined {
  const address = addressOf(target);
  return address === undefined ? undefined : { servers: [address] };
}

/** nginx's port of a server without one is 80. */
function addressOf(target: string): string | undefined {
  if (target.includes("$") || target === "") return undefined;
  if (target.startsWith("unix:")) return target.replace(/:$/, "");
  return `tcp://${/:\d+$/.test(target) ? target : `${target}:80`}`;
}
