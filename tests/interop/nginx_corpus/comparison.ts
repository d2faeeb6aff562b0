/**
 * What nginx and afcgi make of the same requests. A difference is a fault unless the application's
 * list or the one here explains it; what is open here and closed there has no explanation.
 */
import { runAfcgi } from "../../support/afcgi.ts";
import type { Application, CorpusRequest, Difference } from "./application.ts";
import { differenceOf, type Exchange, exchange, namedBy, type Target } from "./exchange.ts";

const AT_ONCE = 6;

export interface Comparison {
  /** What afcgi gives away and nginx does not. */
  readonly opened: readonly string[];
  /** What differs without a reason. */
  readonly unexplained: readonly string[];
  /** Of the requests that the application lives by. */
  readonly lostRequests: readonly string[];
  readonly requests: number;
}

export interface Pair {
  readonly request: CorpusRequest;
  readonly nginx: Exchange;
  readonly ours: Exchange;
}

/** What differs everywhere, by design. */
const EVERYWHERE: readonly Difference[] = [
  {
    targets: /(?:\/|%2f)(?:\.|%2e)(?!well-known)|%5c\./i,
    is: /^200 (?:script|file) \S+, here 403$/,
    why: "A name that begins with . is nobody's; a front controller does not get it either",
  },
  {
    targets: /^[^?]*[^/?](?:\?|$)/,
    is: /^(?:404|200 script \S+), here to its slash$/,
    why: "A directory without its slash is redirected to it, whatever the location tries",
  },
  {
    targets: /^[^?]*[^/?](?:\?|$)/,
    is: /^to its slash, here 40[34]$/,
    why: "The pattern of a closed directory takes the directory itself as well",
  },
  {
    targets: /\.php\d?\//,
    is: /^SCRIPT_NAME=(\S+\.php)\/\S*, here \1; PATH_INFO=, here \/\S*$/,
    why: "Without fastcgi_split_path_info nginx leaves PATH_INFO to PHP's guess",
  },
  {
    targets: /\.php\d?\//,
    is: /^PATH_INFO=, here \/\S*$/,
    why: "What is behind a script's name is sent, whether or not the configuration names PATH_INFO",
  },
  {
    targets: /\.php\/(?:\?|$)/,
    is: /SCRIPT_NAME=(\S+)\/index\.php, here \1\/?(?:;|$)/,
    why: "With a slash alone behind a script nginx asks for fastcgi_index below it",
  },
  {
    targets: /\.\w+\/.*\.php/,
    is: /^200 (?:file|script) \S+, here 40[134]$/,
    why: "PHP guesses which part of a path is a script; here a script is there, or none runs",
  },
  {
    targets: /./,
    is: /^40[34] (?:file|script) \S+, here 40[34]$/,
    why: "A path that a location refuses gets afcgi's own page",
  },
  {
    targets: /./,
    is: /^QUERY_STRING=(\S*), here \1&$/,
    why: "What a rewrite puts before an empty query ends with &",
  },
  {
    targets: /./,
    is: /^PATH_TRANSLATED=\S+, here $/,
    why: "PHP would take the script from PATH_TRANSLATED as well, so it gets none",
  },
  {
    targets: /./,
    is: /^x-forwarded-proto=, here https?$/,
    why: "What a client speaks is told to every HTTP server",
  },
  {
    targets: /%0a/,
    is: /^QUERY_STRING=(\S*), here \1%0A&?$/,
    why: "A . of nginx's expressions stops before a line feed",
  },
  {
    targets: /%0a/,
    is: /^(?:200 \S+ \S+|404 \S+ \S+|to its slash), here 404$/,
    why: "A name with a line feed is nobody's, because PCRE's $ stands before one",
  },
  {
    targets: /./,
    is: /^404 script (\S+), here 200 script \1$/,
    why: "A script that is an error page says itself which status it has",
  },
  {
    targets: /\.(?:php|phtml)/i,
    is: /^200, here 40[34]$/,
    why: "nginx shows the source of a script that nothing runs",
  },
];

type Ports = (port: number) => { readonly nginx: Target; readonly ours: Target };

export async function compare(
  application: Application,
  ports: Ports,
  directory: string,
): Promise<Comparison> {
  const { requests } = application;
  const pairs: Pair[] = [];
  let next = 0;
  const worker = async () => {
    for (;;) {
      const index = next++;
      const request = requests[index];
      if (request === undefined) return;
      const { nginx, ours } = ports(request.port);
      pairs[index] = {
        request,
        nginx: await exchange(nginx, request, directory),
        ours: await exchange(ours, request, directory),
      };
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const judge = new Judge(application, pairs, ports, directory);
  return await judge.judge();
}

class Judge {
  readonly #application: Application;
  readonly #pairs: readonly Pair[];
  readonly #ports: Ports;
  readonly #directory: string;
  /** What nginx gives to anybody. */
  readonly #openAtNginx: ReadonlySet<string>;
  readonly #met = new Set<Difference>();

  constructor(application: Application, pairs: readonly Pair[], ports: Ports, directory: string) {
    this.#application = application;
    this.#pairs = pairs;
    this.#ports = ports;
    this.#directory = directory;
    this.#openAtNginx = new Set(
      pairs.filter(({ nginx }) => nginx.status < 400).map(({ nginx }) => nginx.maker),
    );
  }

  async judge(): Promise<Comparison> {
    const opened: string[] = [];
    const unexplained: string[] = [];
    const lostRequests: string[] = [];
    const named = namedBy(this.#application);
    for (const pair of this.#pairs) {
      const { request, nginx, ours } = pair;
      const isBare = await this.#isBareDirectory(pair);
      const difference = differenceOf(nginx, ours, request, named);
      const says = `${request.method} ${request.target}: ${difference ?? ours.status}`;
      if (this.#isOpened(pair) && !isBare) opened.push(says);
      if (request.kind === "closed" && gives(nginx, request)) {
        unexplained.push(`${request.target} is not closed in nginx: ${nginx.maker}`);
      }
      if (difference === undefined || isBare || areRefusals(pair)) continue;
      const reason = this.#reasonOf(request, difference);
      if (reason) this.#met.add(reason);
      else unexplained.push(says);
      if (request.kind === "request" && nginx.status < 400 && ours.status >= 400) {
        lostRequests.push(says);
      }
    }
    for (const { targets, is } of this.#application.differences) {
      if ([...this.#met].some((met) => met.targets === targets && met.is === is)) continue;
      unexplained.push(`The difference ${targets} ${is} is none any more`);
    }
    return { opened, unexplained, lostRequests, requests: this.#pairs.length };
  }

  #reasonOf({ target }: CorpusRequest, difference: string): Difference | undefined {
    return [...this.#application.differences, ...EVERYWHERE]
      .find(({ targets, is }) => targets.test(target) && is.test(difference));
  }

  #isOpened({ request, nginx, ours }: Pair): boolean {
    if (ours.isSource) return true;
    if (ours.status >= 300 && ours.status !== 304) return false;
    if (nginx.maker !== "" && ours.maker === nginx.maker) return false;
    if (nginx.status >= 400 && nginx.status < 500) return true;
    if (ours.maker === "") return false;
    if (!this.#openAtNginx.has(ours.maker)) return true;
    const file = ours.maker.replace(/^file /, "");
    return this.#application.outside.has(file) && !request.target.includes("accel=");
  }

  /**
   * A directory without an index is 403 in nginx. Here it is what is not there: for the front
   * controller if there is one. That opens nothing if nginx gives a script for a name in it.
   */
  async #isBareDirectory({ request, nginx, ours }: Pair): Promise<boolean> {
    const [written = ""] = request.target.split("?");
    const path = written.replace(/\/\.$/, "/");
    if (nginx.status !== 403 || !path.endsWith("/") || request.method !== "GET") return false;
    if (ours.status === 404) return true;
    const target = `${path}nobody-has-this-name`;
    const missing = await exchange(
      this.#ports(request.port).nginx,
      { ...request, target },
      this.#directory,
    );
    if (missing.maker === ours.maker) return ours.maker !== "" || missing.status === ours.status;
    return missing.status < 400 && this.#openAtNginx.has(ours.maker);
  }
}

/** With which status a foe is turned away makes no difference. */
function areRefusals({ request, nginx, ours }: Pair): boolean {
  if (request.kind !== "made" && request.kind !== "hostile") return false;
  return [nginx, ours].every(({ status, maker }) => REFUSALS.has(status) && maker === "");
}

const REFUSALS: ReadonlySet<number> = new Set([400, 401, 403, 404, 405]);

/** Whether a response is made of the very file that the request names. */
function gives({ status, maker }: Exchange, { target }: CorpusRequest): boolean {
  const [path = ""] = target.split("?");
  const name = decodeURIComponent(path).split("/").filter((part) => part !== "..").join("/");
  return status < 400 && name !== "/" && maker.endsWith(name);
}

/** Notes of an import that say that something is missing, and are not harmless. */
export function losses(notes: string): string[] {
  return notes.split("\n").filter((line) => /^\S+:\d+: (?:refused|lost): |^closed/.test(line))
    .filter((line) => !HARMLESS.some((name) => line.includes(`: lost: ${name} `)));
}

/** Directives whose loss no client sees. */
const HARMLESS = [
  "error_page",
  "fastcgi_param PATH_TRANSLATED",
  // X-Forwarded-For and X-Forwarded-Port say it.
  "proxy_set_header REMOTE_ADDR",
  "proxy_set_header SERVER_PORT",
  // Without a cache each response is the application's own.
  "fastcgi_cache",
  "fastcgi_cache_bypass",
  "fastcgi_cache_key",
  "fastcgi_cache_path",
  "fastcgi_cache_use_stale",
  "fastcgi_cache_valid",
  "fastcgi_no_cache",
  "add_header X-Cache",
  "fastcgi_max_temp_file_size",
  "fastcgi_send_timeout",
  "open_file_cache_errors",
  "default_type",
];

/** What `afcgi import nginx` makes of a file. */
export async function importNginx(file: string) {
  const { code, stdout, stderr } = await runAfcgi(["import", "nginx", file]);
  return { code, yaml: stdout, notes: stderr };
}
