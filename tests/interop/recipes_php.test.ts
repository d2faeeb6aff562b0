/**
 * What docs/recipes.md has for Debian's PHP applications and MapServer, as it stands there but for
 * where php-fpm and data are: MediaWiki is installed, edited and uploaded to, Roundcube and phpMyAdmin
 * show their login, MapServer draws, and what each recipe closes stays closed.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { Afcgi } from "../support/afcgi.ts";
import { missingPeer, PEER_PATH } from "../support/peers.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePlace, placeUrl, temporaryDirectory } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

/** The YAML block of docs/recipes.md that has this text in it, with texts replaced. */
function recipe(text: string, replaced: Readonly<Record<string, string>>) {
  const page = readFileSync(new URL("../../docs/recipes.md", import.meta.url), "utf8");
  let found = page.split("```yaml\n").map((part) => part.split("```")[0]!)
    .find((block) => block.includes(text));
  assert.ok(found, text);
  for (const [from, to] of Object.entries(replaced)) {
    assert.ok(found.includes(from), from);
    found = found.replaceAll(from, to);
  }
  return parse(found) as Record<string, unknown>;
}

async function withPhp(
  directory: string,
  text: string,
  replaced: Readonly<Record<string, string>>,
  use: (ask: Ask, afcgi: Afcgi) => Promise<void>,
): Promise<void> {
  const place = await freePlace("unix", directory);
  const settings = ["php_admin_value[memory_limit] = 256M"];
  const php = await startPhpFpm({ directory, place, children: 4, ini: true, settings });
  try {
    const config = recipe(text, { ...replaced, "unix:/run/php/php8.2-fpm.sock": placeUrl(place) });
    const afcgi = await Afcgi.start({ config });
    try {
      const ask: Ask = (target, host) =>
        httpRequest(afcgi.port, { target, headers: { Host: host } });
      await use(ask, afcgi);
    } finally {
      await afcgi.stop();
    }
  } finally {
    await php.stop("SIGQUIT");
  }
}

type Ask = (target: string, host: string) => ReturnType<typeof httpRequest>;

/** A directory in which php-fpm's children write. */
function writableDirectory(...names: readonly string[]): string {
  const directory = temporaryDirectory();
  chmodSync(directory, 0o755);
  for (const name of names) {
    mkdirSync(join(directory, name));
    chmodSync(join(directory, name), 0o777);
  }
  return directory;
}

const WIKI: string = "wiki.example.com";
const PICTURE = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

/** Asks MediaWiki's api.php as somebody who keeps cookies. */
class WikiClient {
  readonly #port: number;
  readonly #cookies = new Map<string, string>();

  constructor(port: number) {
    this.#port = port;
  }

  // deno-lint-ignore no-explicit-any
  async ask(fields: Readonly<Record<string, string | Uint8Array>>): Promise<any> {
    const parts = Object.entries({ format: "json", ...fields }).map(([name, value]) => {
      const file = typeof value === "string" ? "" : '; filename="a.png"';
      return Buffer.concat([
        Buffer.from(`--limit\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n`),
        Buffer.from(value),
        Buffer.from("\r\n"),
      ]);
    });
    const response = await fetch(`http://127.0.0.1:${this.#port}/api.php`, {
      method: "POST",
      headers: {
        Host: WIKI,
        "Content-Type": 'multipart/form-data; boundary="limit"',
        Cookie: [...this.#cookies].map((pair) => pair.join("=")).join("; "),
      },
      body: Buffer.concat([...parts, Buffer.from("--limit--\r\n")]),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
      this.#cookies.set(name!, value!);
    }
    return await response.json();
  }

  async token(type: string): Promise<string> {
    const { query } = await this.ask({ action: "query", meta: "tokens", type });
    return query.tokens[`${type}token`];
  }
}

function installWiki(directory: string): void {
  const { status, stdout, stderr } = spawnSync("php", [
    "/usr/share/mediawiki/maintenance/install.php",
    ...["--dbtype", "sqlite", "--dbpath", join(directory, "data"), "--dbname", "wiki"],
    ...["--confpath", directory, "--server", `http://${WIKI}`, "--scriptpath", ""],
    ...["--pass", "a-long-passphrase", "Wiki", "Anna"],
  ], { env: { PATH: PEER_PATH } });
  assert.equal(status, 0, `${stdout}${stderr}`);
  spawnSync("chmod", ["-R", "a+rwX", join(directory, "data")]);
  appendFileSync(
    join(directory, "LocalSettings.php"),
    `\n$wgArticlePath = "/wiki/$1";\n$wgEnableUploads = true;\n$wgUploadDirectory = "${directory}/files";\n` +
      '$wgUploadPath = "https://files.wiki.example.com";\n',
  );
  chmodSync(join(directory, "LocalSettings.php"), 0o644);
}

test("MediaWiki by its recipe is edited and uploaded to, and runs only what is named", {
  skip: missingPeer("mediawiki"),
}, async () => {
  const directory = writableDirectory("data", "files");
  installWiki(directory);
  const replaced = {
    "/etc/mediawiki/LocalSettings.php": join(directory, "LocalSettings.php"),
    "/srv/wiki-files": join(directory, "files"),
  };
  await withPhp(directory, "hosts: [wiki.example.com]", replaced, async (ask, { port }) => {
    const client = new WikiClient(port);
    const login = await client.ask({
      action: "login",
      lgname: "Anna",
      lgpassword: "a-long-passphrase",
      lgtoken: await client.token("login"),
    });
    assert.equal(login.login.result, "Success", JSON.stringify(login));
    const token = await client.token("csrf");
    const edit = await client.ask({ action: "edit", title: "Quince", text: "A ''fruit''.", token });
    assert.equal(edit.edit.result, "Success", JSON.stringify(edit));
    const page = await ask("/wiki/Quince", WIKI);
    assert.equal(page.status, 200);
    assert.match(page.body.toString(), /A <i>fruit<\/i>/);
    const sent = { action: "upload", filename: "A.png", file: PICTURE, token };
    const upload = await client.ask({ ...sent, ignorewarnings: "1" });
    assert.equal(upload.upload.result, "Success", JSON.stringify(upload));
    const { pathname, hostname } = new URL(upload.upload.imageinfo.url);
    const picture = await ask(pathname, hostname);
    assert.equal(picture.status, 200);
    assert.ok(picture.body.equals(PICTURE));

    const style = await ask("/load.php?modules=site.styles&only=styles", WIKI);
    assert.match(style.headers.get("content-type") ?? "", /^text\/css/);
    assert.equal((await ask("/resources/assets/mediawiki.png", WIKI)).status, 200);
    // What nobody runs is a file like others.
    writeFileSync(join(directory, "files/evil.php"), "<?php echo 6 * 7;");
    const evil = await ask("/evil.php", "files.wiki.example.com");
    assert.doesNotMatch(evil.body.toString(), /42/);
    assert.doesNotMatch(evil.headers.get("content-type") ?? "", /html/);
    mkdirSync(join(directory, "files/deleted"));
    writeFileSync(join(directory, "files/deleted/a.txt"), "SECRET");
    for (
      const [target, host] of [
        ...["/img_auth.php", "/img_auth.php/A.png", "/mw-config/", "/mw-config/index.php"],
        ...["/maintenance/install.php", "/maintenance/tables.json", "/LocalSettings.php"],
        ...["/thumb_handler.php/x", "/includes/WebStart.php", "/autoload.php", "/.htaccess"],
      ].map((path): readonly [string, string] => [path, WIKI]).concat([
        ["/deleted/a.txt", "files.wiki.example.com"],
      ])
    ) {
      const { status, body } = await ask(target, host);
      assert.ok([403, 404].includes(status), `${host}${target}: ${status}`);
      assert.doesNotMatch(body.toString(), /<\?php|SECRET|^42/, target);
    }
  });
});

test("Roundcube by its recipe shows its login, with SQLite", {
  skip: missingPeer("roundcube"),
}, async () => {
  const directory = writableDirectory("data", "logs", "temp");
  writeFileSync(
    join(directory, "config.inc.php"),
    `<?php
$config['db_dsnw'] = 'sqlite:///${directory}/data/mail.db?mode=0640';
$config['des_key'] = 'rcmail-24ByteDESkey*Str1';
$config['imap_host'] = '127.0.0.1:1';
$config['plugins'] = [];
$config['log_dir'] = '${directory}/logs/';
$config['temp_dir'] = '${directory}/temp/';
`,
  );
  copyFileSync("/etc/roundcube/defaults.inc.php", join(directory, "defaults.inc.php"));
  const own = `upstream: php, params: { ROUNDCUBE_CONFIG_DIR: "${directory}" }`;
  await withPhp(directory, "mail.example.com", { "upstream: php": own }, async (ask) => {
    const host = "mail.example.com";
    const page = await ask("/?_task=login", host);
    assert.equal(page.status, 200, page.body.toString());
    const log = join(directory, "logs/errors.log");
    const said = () => existsSync(log) ? readFileSync(log, "utf8") : page.body.toString();
    assert.ok(page.body.includes('name="_user"'), said());
    const linked = [...page.body.toString().matchAll(/(?:src|href)="((?:skins|program)\/[^"]+)"/g)];
    assert.ok(linked.length > 5, `${linked.length}`);
    for (const [, path = ""] of linked) {
      assert.equal((await ask(`/${path.replaceAll("&amp;", "&")}`, host)).status, 200, `${path}`);
    }
    for (
      const target of ["/config/config.inc.php", "/../config/config.inc.php", "/logs/errors.log"]
    ) {
      const { body } = await ask(target, host);
      assert.doesNotMatch(body.toString(), /des_key|db_dsnw/, target);
    }
    for (const target of ["/plugins/jqueryui/jqueryui.php", "/.htaccess"]) {
      assert.ok([403, 404].includes((await ask(target, host)).status), target);
    }
  });
});

test("phpMyAdmin by its recipe shows its login", { skip: missingPeer("phpmyadmin") }, async () => {
  const directory = writableDirectory();
  await withPhp(directory, "db.example.com", {}, async (ask) => {
    const host = "db.example.com";
    const page = await ask("/", host);
    assert.equal(page.status, 200, page.body.toString());
    assert.match(page.body.toString(), /name="pma_username"/);
    for (
      const target of ["/favicon.ico", "/js/vendor/jquery/jquery.min.js", "/js/messages.php?l=en"]
    ) {
      assert.equal((await ask(target, host)).status, 200, target);
    }
    for (
      const target of [
        ...["/libraries/classes/Core.php", "/templates/login/form.twig", "/sql/create_tables.sql"],
        ...["/autoload.php", "/config.sample.inc.php"],
      ]
    ) assert.ok([403, 404].includes((await ask(target, host)).status), target);
  });
});

const MAP = `MAP
  NAME "small"
  SIZE 200 100
  EXTENT -180 -90 180 90
  PROJECTION "init=epsg:4326" END
  WEB METADATA
    "ows_title" "A small map"
    "ows_enable_request" "*"
    "ows_onlineresource" "http://127.0.0.1/map"
    "ows_srs" "EPSG:4326"
  END END
  LAYER
    NAME "square"
    TYPE POLYGON
    STATUS ON
    METADATA "ows_title" "A square" END
    FEATURE POINTS -90 -45 90 -45 90 45 -90 45 -90 -45 END END
    CLASS STYLE COLOR 200 0 0 END END
  END
END
`;

test("MapServer by its recipe tells what it can, and draws", {
  skip: missingPeer("mapserver"),
}, async () => {
  const directory = writableDirectory();
  writeFileSync(join(directory, "a.map"), MAP);
  writeFileSync(
    join(directory, "mapserver.conf"),
    `CONFIG\n  ENV\n    MS_MAP_PATTERN "^${directory}/"\n  END\nEND\n`,
  );
  const config = recipe("mapserv", {
    "/etc/mapserver.conf": join(directory, "mapserver.conf"),
    "/srv/maps/a.map": join(directory, "a.map"),
  });
  const afcgi = await Afcgi.start({ config });
  try {
    const ask = (query: string) => httpRequest(afcgi.port, { target: `/map?SERVICE=WMS&${query}` });
    const told = await ask("REQUEST=GetCapabilities");
    assert.equal(told.status, 200);
    assert.match(told.body.toString(), /A small map/);
    const where = "SRS=EPSG:4326&BBOX=-180,-90,180,90&WIDTH=200&HEIGHT=100&FORMAT=image/png";
    const drawn = await ask(`VERSION=1.1.1&REQUEST=GetMap&LAYERS=square&STYLES=&${where}`);
    assert.equal(drawn.headers.get("content-type"), "image/png");
    assert.equal(drawn.body.subarray(1, 4).toString(), "PNG");
    const other = await ask("map=/etc/passwd&REQUEST=GetCapabilities");
    assert.doesNotMatch(other.body.toString(), /root:|A small map/);
  } finally {
    await afcgi.stop();
  }
});
