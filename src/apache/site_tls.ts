/** `SSL…` of a virtual host → its certificates, and those that it asks its clients for. */
import type { Notes } from "../import/notes.ts";
import { absolute } from "./guard.ts";
import type { ApacheDirective } from "./parser.ts";

export interface TlsSaid {
  readonly isOn: boolean;
  readonly value: unknown;
  readonly clientAuth: Readonly<Record<string, unknown>> | undefined;
  readonly listener: Readonly<Record<string, unknown>>;
  /** What closes the site, told already. */
  readonly closedBy: ApacheDirective | undefined;
}

interface TlsParts {
  readonly notes: Notes;
  readonly isFile: (path: string) => boolean;
  readonly serverRoot: string;
}

export function tlsSaid(
  own: readonly ApacheDirective[],
  outer: readonly ApacheDirective[],
  { notes, isFile, serverRoot }: TlsParts,
): TlsSaid {
  const all = [...outer, ...own];
  const last = (key: string) => all.findLast((it) => it.key === key);
  const engine = last("sslengine");
  notes.take(engine);
  const none = {
    isOn: false,
    value: undefined,
    clientAuth: undefined,
    listener: {},
    closedBy: undefined,
  };
  if (!/^on$/i.test(engine?.args[0] ?? "")) return none;
  const names = (key: string) => {
    const mine = own.filter((it) => it.key === key);
    return mine.length > 0 ? mine : outer.filter((it) => it.key === key);
  };
  const [certs, keys] = [names("sslcertificatefile"), names("sslcertificatekeyfile")];
  const path = (directive: ApacheDirective | undefined) =>
    directive?.args[0] === undefined ? undefined : absolute(directive.args[0], { serverRoot });
  const pairs = certs.map((cert, index) => ({
    cert: path(cert) ?? "",
    key: path(keys[index]) ?? path(cert) ?? "",
  }));
  notes.take(...certs, ...keys);
  const managed = last("mdomain") ?? last("mdomainset");
  notes.take(managed);
  let value: unknown;
  if (pairs.length > 0 && pairs.every(({ cert, key }) => isFile(cert) && isFile(key))) {
    value = pairs.length === 1 ? pairs[0] : pairs;
  } else if (pairs.length === 0 && managed !== undefined) value = "auto";
  else {
    value = "internal";
    const by = certs[0] ?? engine!;
    notes.add("lost", by, "its files are not here, so a local certificate is in their place");
  }
  const chain = last("sslcertificatechainfile");
  if (chain !== undefined) {
    notes.add("lost", chain, "put its certificates behind the site's own in one file");
  }
  const { clientAuth, closedBy } = clientAuthOf(all, { notes, isFile, serverRoot });
  return {
    isOn: true,
    value,
    clientAuth,
    listener: listenerOf(last("sslprotocol"), notes),
    closedBy,
  };
}

function listenerOf(
  protocol: ApacheDirective | undefined,
  notes: Notes,
): Readonly<Record<string, unknown>> {
  if (protocol === undefined) return {};
  notes.take(protocol);
  const said = protocol.args.join(" ").toLowerCase();
  const isOnly13 = /tlsv1\.3/.test(said) && !/(?:^|[ +])(?:all|tlsv1\.2)(?: |$)/.test(said);
  const isWithout12 = /all/.test(said) && /-tlsv1\.2/.test(said);
  return isOnly13 || isWithout12 ? { min: "1.3" } : {};
}

/** What is asked of every client of the site; what cannot be said closes it. */
function clientAuthOf(
  directives: readonly ApacheDirective[],
  { notes, isFile, serverRoot }: TlsParts,
): Pick<TlsSaid, "clientAuth" | "closedBy"> {
  const last = (key: string) => directives.findLast((it) => it.key === key);
  const verify = last("sslverifyclient");
  const mode = verify?.args[0]?.toLowerCase() ?? "none";
  notes.take(verify, last("sslverifydepth"));
  if (mode === "none") return { clientAuth: undefined, closedBy: undefined };
  const ca = last("sslcacertificatefile");
  const file = ca?.args[0] === undefined ? undefined : absolute(ca.args[0], { serverRoot });
  notes.take(ca);
  const revoked = last("sslcarevocationfile") ?? last("sslcarevocationpath");
  if (mode === "optional_no_ca") return { clientAuth: { mode: "request" }, closedBy: undefined };
  const isSaid = file !== undefined && isFile(file) && revoked === undefined &&
    last("sslcacertificatepath") === undefined;
  if (!isSaid || !["require", "optional"].includes(mode)) {
    const by = revoked ?? verify!;
    notes.add(
      "refused",
      by,
      "its clients' certificates cannot be asked for, so the site is closed",
    );
    return { clientAuth: undefined, closedBy: by };
  }
  return {
    clientAuth: { ca: file, mode: mode === "require" ? "require" : "request" },
    closedBy: undefined,
  };
}
