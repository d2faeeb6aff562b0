/** `<VirtualHost>`, `ServerName`, `ServerAlias` and `Listen` → hosts and listeners of sites. */
import type { Notes } from "../import/notes.ts";
import type { ApacheDirective } from "./parser.ts";

export interface Vhost {
  /** Undefined for the server itself, where there are no virtual hosts. */
  readonly directive: ApacheDirective | undefined;
  readonly directives: readonly ApacheDirective[];
  /** In our words: `:80`, `127.0.0.1:8080`. */
  readonly addresses: readonly string[];
}

const NAME = /^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/;

export function vhostsOf(directives: readonly ApacheDirective[], notes: Notes): readonly Vhost[] {
  const blocks = directives.filter(({ key }) => key === "virtualhost");
  const listens = directives.filter(({ key }) => key === "listen");
  notes.take(...blocks, ...listens);
  const listened = listens.map(({ args }) => addressOf(args[0] ?? "80", undefined));
  if (blocks.length === 0) {
    const hasContent = directives.some(({ key }) =>
      ["documentroot", "proxypass", "proxypassmatch", "alias"].includes(key)
    );
    if (!hasContent) return [];
    return [{
      directive: undefined,
      directives: [],
      addresses: listened.length > 0 ? listened : [":80"],
    }];
  }
  return blocks.map((directive) => ({
    directive,
    directives: directive.block ?? [],
    addresses: [...new Set(directive.args.flatMap((arg) => vhostAddresses(arg, listened)))],
  }));
}

/** A port of `*` is every one that is listened at. */
function vhostAddresses(text: string, listened: readonly string[]): readonly string[] {
  if (/:\*$/.test(text) || !/:\d+$/.test(text)) {
    const host = text.replace(/:\*$/, "");
    const ports = listened.length > 0 ? listened.map((it) => it.replace(/^.*:/, "")) : ["80"];
    return [...new Set(ports)].map((port) => addressOf(host, port));
  }
  return [addressOf(text, undefined)];
}

function addressOf(text: string, port: string | undefined): string {
  if (/^\d+$/.test(text) && port === undefined) return `:${text}`;
  const [, host = "", own] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(text) ?? [];
  const isEvery = ["*", "_default_", "", "0.0.0.0", "[::]"].includes(host);
  return `${isEvery ? "" : host}:${own ?? port ?? "80"}`;
}

export function hostsOf(
  directives: readonly ApacheDirective[],
  notes: Notes,
): readonly string[] {
  const hosts: string[] = [];
  for (const directive of directives) {
    if (directive.key !== "servername" && directive.key !== "serveralias") continue;
    notes.take(directive);
    for (const text of directive.args) {
      const name = text.replace(/^\w+:\/\//, "").replace(/:\d+$/, "").toLowerCase();
      if (NAME.test(name)) hosts.push(name);
      else notes.add("lost", directive, `no host is said by "${text}"`);
    }
  }
  return [...new Set(hosts)];
}

/** Where the system would refuse to listen beside every interface. */
export function isWithin(address: string, all: ReadonlySet<string>): boolean {
  const port = address.replace(/^.*:/, "");
  return !address.startsWith(":") && all.has(`:${port}`);
}
