/**
 * What a `php` route may be told, through the executable and php-fpm: which scripts run, what is tried,
 * a root that every deployment sets anew, and one that php-fpm sees under another path.
 */
import assert from "node:assert/strict";
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { Afcgi, runAfcgi } from "../support/afcgi.ts";
import type { Child } from "../support/child.ts";
import { missingPeer } from "../support/peers.ts";
import { type PhpFpmOptions, startPhpFpm } from "../support/php_fpm.ts";
import {
  freePlace,
  type Place,
  placeUrl,
  temporaryDirectory,
  waitUntil,
} from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

const skip = missingPeer("php-fpm");
const isRoot = process.getuid?.() === 0;

/** Says which file runs, and under which names. */
const SCRIPT = `<?php
foreach (["SCRIPT_NAME", "PATH_INFO", "SCRIPT_FILENAME", "DOCUMENT_ROOT"] as $name) {
    $said[] = $_SERVER[$name] ?? "";
}
echo implode(" ", $said), " ", __FILE__;
`;

const SCRIPTS = [
  "index.php",
  "about.php",
  "blog/index.php",
  "wp-login.php",
  "wp-admin/index.php",
  "wp-admin/network/sites.php",
  "uploads/image.php",
  "uploads/a/index.php",
] as const;

let fpm: { readonly child: Child; readonly place: Place } | undefined;

/** A php-fpm with files of its own. */
async function startFpm(
  options: Omit<PhpFpmOptions, "directory" | "place" | "children">,
): Promise<{ child: Child; place: Place }> {
  const directory = temporaryDirectory();
  const place = await freePlace("unix", directory);
  return { place, child: await startPhpFpm({ directory, place, children: 3, ...options }) };
}

before(async () => {
  if (!skip) fpm = await startFpm({});
});

after(async () => {
  await fpm?.child.stop();
});

function writeTree(root: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
}

function site(): string {
  const root = temporaryDirectory();
  const scripts = Object.fromEntries(SCRIPTS.map((name) => [name, SCRIPT]));
  writeTree(root, {
    ...scripts,
    "style.css": "body {}",
    "bare/a.txt": "a",
    ".git/config": "secret",
  });
  return root;
}

type Php = Readonly<Record<string, unknown>>;

function configOf(root: string, place: Place, php: Php): Readonly<Record<string, unknown>> {
  return {
    upstreams: { php: { servers: [placeUrl(place)], connections: { max: 2 } } },
    sites: [{ root, routes: [{ static: {} }, { php: { upstream: "php", ...php } }] }],
  };
}

async function withAfcgi(
  root: string,
  php: Php,
  use: (afcgi: Afcgi) => Promise<void>,
  place = fpm!.place,
): Promise<void> {
  const afcgi = await Afcgi.start({ config: configOf(root, place, php) });
  try {
    await use(afcgi);
  } finally {
    await afcgi.stop();
  }
}

/** The names of the script that ran and of what it got behind it; else the status and our code. */
async function outcome(afcgi: Afcgi, target: string): Promise<string> {
  const { status, body, headers } = await httpRequest(afcgi.port, { target });
  const text = body.toString();
  if (status === 308) return `308 ${headers.get("location")}`;
  if (status !== 200) return `${status} ${/\((\w+)\)/.exec(text)?.[1]}`;
  const [name, pathInfo] = text.split(" ");
  return text.includes("/") ? `run ${name}${pathInfo}` : text;
}

interface Row {
  readonly says: string;
  readonly php: Php;
  readonly outcomes: Readonly<Record<string, string>>;
}

const ROWS: readonly Row[] = [
  {
    says: "scripts and no_scripts let nothing else run",
    php: {
      front_controller: "/index.php",
      scripts: ["/wp-admin/**/*.php", "/wp-login.php", "/uploads/*.php"],
      no_scripts: ["/uploads"],
    },
    outcomes: {
      "/": "403 script_not_allowed",
      "/a-post/": "run /index.php",
      "/wp-login.php": "run /wp-login.php",
      "/wp-login.php/info": "run /wp-login.php/info",
      "/wp-admin/": "run /wp-admin/index.php",
      "/wp-admin/network/sites.php": "run /wp-admin/network/sites.php",
      "/about.php": "403 script_not_allowed",
      "/uploads/image.php": "403 script_not_allowed",
      "/uploads/image.php/x.php": "403 script_not_allowed",
      "/uploads/%69mage.php": "403 script_not_allowed",
      "/x/../uploads/image.php": "403 script_not_allowed",
      "//uploads//image.php": "403 script_not_allowed",
      "/uploads/a/": "403 script_not_allowed",
      "/style.css": "body {}",
    },
  },
  {
    says: "try goes on past a script that is missing",
    php: { try: ["script", "file", "folder", "${path}.php", "/index.php"] },
    outcomes: {
      "/about": "run /about.php",
      "/about.php/info": "run /about.php/info",
      "/missing.php": "run /index.php",
      "/blog": "308 /blog/",
      "/blog/": "run /blog/index.php",
      "/bare/": "run /index.php",
      "/style.css": "body {}",
      "/.git/config": "403 hidden_file",
    },
  },
  {
    says: "without script in try no client names one",
    php: { try: ["folder", "=404"] },
    outcomes: {
      "/": "run /index.php",
      "/about.php": "404 no_such_file",
      "/blog/": "run /blog/index.php",
      "/missing": "404 no_such_file",
    },
  },
];

for (const { says, php, outcomes } of ROWS) {
  test(`With php-fpm, ${says}`, { skip }, async () => {
    await withAfcgi(site(), php, async (afcgi) => {
      const said: Record<string, string> = {};
      for (const target of Object.keys(outcomes)) said[target] = await outcome(afcgi, target);
      assert.deepEqual(said, outcomes);
    });
  });
}

test("explain shows each attempt of the files that are there", { skip }, async () => {
  const root = site();
  const directory = temporaryDirectory();
  const config = join(directory, "afcgi.yaml");
  const php = { try: ["script", "file", "folder", "${path}.php", "=404"] };
  writeFileSync(config, JSON.stringify(configOf(root, fpm!.place, php)));
  const { stdout } = await runAfcgi(["explain", "/about", "--config", config]);
  const lines = stdout.split("\n");
  const first = lines.findIndex((line) => line.startsWith("  route 2: php"));
  assert.deepEqual(lines.slice(first, first + 7), [
    "  route 2: php for every path: responds",
    "    try script: goes on",
    "    try file: goes on",
    `      ${root}/about: nothing`,
    "    try folder: goes on",
    "    try ${path}.php: runs",
    `      ${root}/about.php: a file of ${SCRIPT.length} bytes`,
  ]);
});

/** A release is one whole: its script and the file that this takes in have the same version. */
function release(base: string, version: number): void {
  writeTree(join(base, "releases", String(version)), {
    "index.php": `<?php echo ${version}, " ", require __DIR__ . "/lib.php", " ", __DIR__;
      if (opcache_is_script_cached(__FILE__)) echo " cached";`,
    "lib.php": `<?php return ${version};`,
  });
}

/** As deployments do it: a new link in the place of the old one, in one step. */
function deploy(base: string, version: number): void {
  const link = join(base, `current-${version}`);
  symlinkSync(join("releases", String(version)), link);
  renameSync(link, join(base, "current"));
}

test(
  "With resolve_root a deployment is whole and at once, although php-fpm keeps compiled scripts",
  { skip },
  async () => {
    const base = temporaryDirectory();
    for (const version of [1, 2, 3]) release(base, version);
    deploy(base, 1);
    const cached = await startFpm({ opcache: true });
    const root = join(base, "current");
    const fetchPage = async ({ port }: Afcgi) =>
      (await httpRequest(port, { target: "/a/page" })).body.toString();
    const whole = (version: number) => `${version} ${version} ${base}/releases/${version} cached`;
    try {
      await withAfcgi(root, { front_controller: "/index.php" }, async (plain) => {
        assert.equal(await fetchPage(plain), whole(1));
        deploy(base, 2);
        // The path is the old one, and so is what php-fpm has compiled under it.
        assert.equal(await fetchPage(plain), whole(1));
      }, cached.place);
      const php = { front_controller: "/index.php", resolve_root: true };
      await withAfcgi(root, php, async (afcgi) => {
        assert.equal(await fetchPage(afcgi), whole(2));
        const seen: string[] = [];
        let isOver = false;
        const clients = [1, 2, 3, 4].map(async () => {
          while (!isOver) seen.push(await fetchPage(afcgi));
        });
        try {
          await waitUntil(() => seen.length > 50, "responses of the old release");
          deploy(base, 3);
          assert.equal(await fetchPage(afcgi), whole(3));
          const enough = seen.length + 50;
          await waitUntil(() => seen.length > enough, "responses of the new release");
        } finally {
          isOver = true;
          await Promise.all(clients);
        }
        assert.deepEqual([...new Set(seen)], [whole(2), whole(3)]);
      }, cached.place);
    } finally {
      await cached.child.stop();
    }
  },
);

test("With application_root php-fpm gets its own paths of the files", { skip }, async () => {
  const root = site();
  const other = join(temporaryDirectory(), "html");
  symlinkSync(root, other);
  const php = { front_controller: "/index.php", application_root: other };
  await withAfcgi(root, php, async ({ port }) => {
    const said = async (target: string) =>
      (await httpRequest(port, { target })).body.toString().split(" ");
    // PHP resolves the link for __FILE__ alone.
    assert.deepEqual(await said("/about.php/info"), [
      "/about.php",
      "/info",
      `${other}/about.php`,
      other,
      `${root}/about.php`,
    ]);
    assert.deepEqual((await said("/no/file")).slice(2, 4), [`${other}/index.php`, other]);
    assert.deepEqual((await said("/blog/")).slice(2, 4), [`${other}/blog/index.php`, other]);
  });
});

test(
  "A php-fpm in a chroot runs the scripts with application_root, and without it says why not",
  { skip: skip || (!isRoot && "takes root") },
  async () => {
    const jail = temporaryDirectory();
    const root = join(jail, "www");
    writeTree(root, { "index.php": SCRIPT, "blog/index.php": SCRIPT });
    const jailed = await startFpm({ settings: [`chroot = ${jail}`, "chdir = /"] });
    try {
      const php = { front_controller: "/index.php", application_root: "/www" };
      await withAfcgi(root, php, async ({ port }) => {
        const { body } = await httpRequest(port, { target: "/blog/" });
        assert.equal(
          body.toString(),
          "/blog/index.php  /www/blog/index.php /www /www/blog/index.php",
        );
      }, jailed.place);
      await withAfcgi(root, { front_controller: "/index.php" }, async (afcgi) => {
        assert.equal((await httpRequest(afcgi.port, { target: "/" })).status, 404);
        const { msg } = await afcgi.waitForLog(({ code }) => code === "script_not_run");
        assert.match(String(msg), /so php-fpm sees other files \(another container, a chroot\)/);
      }, jailed.place);
    } finally {
      await jailed.child.stop();
    }
  },
);
