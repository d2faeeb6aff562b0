/**
 * Two applications in sub-directories of one host, each with files and scripts of its own: Debian's
 * DokuWiki below /wiki and `examples/laravel` below /shop, beside a page of the site itself. Each finds
 * out by SCRIPT_NAME where it is: links, forms, redirects, scripts and pictures lead to the right one.
 */
import assert from "node:assert/strict";
import { appendFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../support/places.ts";
import { applicationTests, type Step } from "./application.ts";
import { PICTURE_WIDTH, takePicture, widthOf } from "./browser.ts";
import { copyExample } from "../examples/common.ts";
import { hostSite, PHP } from "./hosting.ts";

/** The installer shows a picture that must not be seen. */
const DONT_PANIC = [
  /^403 GET \/wiki\/data\/dont-panic/,
  /^console: .*403.*\/wiki\/data\/dont-panic/,
];

const USER = { name: "ada", password: "correct horse", fullName: "Ada Example" };

function copyDokuWiki(root: string): void {
  const options = { recursive: true, dereference: true } as const;
  cpSync("/usr/share/dokuwiki", root, options);
  cpSync("/etc/dokuwiki", join(root, "conf"), options);
  cpSync("/var/lib/dokuwiki/data", join(root, "data"), options);
  for (const name of ["local.php", "users.auth.php", "acl.auth.php"]) {
    rmSync(join(root, "conf", name), { force: true });
  }
  // Both say that configuration and data are in /etc and /var.
  rmSync(join(root, "inc/preload.php"));
  appendFileSync(join(root, "conf/dokuwiki.php"), "\n$conf['savedir'] = './data';\n");
}

/** The example as it would be written for any directory: its addresses are made by Laravel. */
function copyLaravel(directory: string): void {
  cpSync(copyExample("laravel"), directory, { recursive: true, verbatimSymlinks: true });
  const view = join(directory, "resources/views/page.blade.php");
  const text = readFileSync(view, "utf8").replaceAll(
    /(href|action)="([^"]+)"/g,
    `$1="{{ url('$2') }}"`,
  );
  writeFileSync(
    view,
    text.replace("</html>", "<script src=\"{{ url('/js/shop.js') }}\"></script></html>"),
  );
  mkdirSync(join(directory, "public/js"));
  writeFileSync(
    join(directory, "public/js/shop.js"),
    "document.body.dataset.script = new URL(document.currentScript.src).pathname;",
  );
}

function siteOf(directory: string): Readonly<Record<string, unknown>> {
  const wiki = { path: "/wiki/*", root: join(directory, "wiki"), strip_prefix: "/wiki" };
  const shop = { path: "/shop/*", root: join(directory, "shop/public"), strip_prefix: "/shop" };
  const closed = ["data", "conf", "bin", "inc", "vendor"].map((name) => ({
    path: `/wiki/${name}/*`,
    respond: { status: 403 },
  }));
  return {
    root: join(directory, "own"),
    follow_symlinks_to: [join(directory, "shop/storage/app/public")],
    routes: [
      ...closed,
      { ...wiki, static: {} },
      { ...wiki, php: { upstream: PHP, index: ["doku.php"] } },
      { ...shop, static: {} },
      { ...shop, php: { upstream: PHP, front_controller: "/index.php", scripts: ["/index.php"] } },
      { static: {} },
    ],
  };
}

const STEPS: readonly Step[] = [
  {
    says: "leads from the site's own page to the installer of the wiki",
    async run({ page, visitor }) {
      await page.goto("/");
      await visitor.follow(page.locator("a[href='/wiki/install.php']"));
      await page.fill("#title", "Wiki of the test");
      await page.fill("#superuser", USER.name);
      await page.fill("#fullname", USER.fullName);
      await page.fill("#email", "ada@example.org");
      await page.fill("#password", USER.password);
      await page.fill("#confirm", USER.password);
      await page.selectOption("#policy", "1");
      await page.uncheck("#pop");
      visitor.expect(...DONT_PANIC);
      const refused = page.waitForEvent("console", (message) => message.text().includes("403"));
      await page.click("button[name=submit]");
      await page.getByText("The configuration was finished successfully").waitFor();
      await refused;
    },
  },
  {
    says: "lets a person in, and sets the cookie for the wiki alone",
    async run({ page, visitor, directory }) {
      rmSync(join(directory, "wiki/install.php"));
      await page.goto("/wiki");
      assert.equal(new URL(page.url()).pathname, "/wiki/");
      await visitor.follow(page.locator("a[href*='do=login']"));
      await page.fill("input[name=u]", USER.name);
      await page.fill("input[name=p]", USER.password);
      await page.click("#dw__login button[type=submit]");
      await page.getByText(`Logged in as: ${USER.fullName}`).waitFor();
      const cookies = await page.context().cookies();
      assert.deepEqual([...new Set(cookies.map(({ path }) => path))], ["/wiki/"]);
    },
  },
  {
    says: "keeps a page and a picture in the wiki",
    async run({ page, visitor, browser }) {
      await page.goto("/wiki/doku.php?id=notes:one&do=media&ns=notes");
      await page.click("a[href*='tab_files=upload']");
      const buffer = await takePicture(browser, "A picture");
      const file = { name: "picture.png", mimeType: "image/png", buffer };
      await page.setInputFiles("#mediamanager__uploader input[type=file]", file);
      await page.click("#mediamanager__upload_button");
      await page.getByRole("link", { name: "picture.png" }).waitFor();
      await page.goto("/wiki/doku.php?id=notes:one");
      await visitor.follow(page.locator("#dokuwiki__pagetools a[href*='do=edit']"));
      await page.fill("#wiki__text", "====== One ======\n\nA sentence.\n\n{{picture.png?200}}");
      await page.click("#edbtn__save");
      await page.getByRole("heading", { name: "One" }).waitFor();
      const small = page.locator("img[src^='/wiki/lib/exe/fetch.php']");
      await small.waitFor();
      assert.equal(await widthOf(small), 200);
    },
  },
  {
    says: "shows the shop with its own style and script, and without its index's slash",
    async run({ page }) {
      await page.goto("/shop");
      assert.equal(new URL(page.url()).pathname, "/shop/");
      await page.getByRole("heading", { name: "Laravel" }).waitFor();
      assert.equal(await page.locator("body").getAttribute("data-script"), "/shop/js/shop.js");
      const width = await page.locator("body").evaluate((body) => getComputedStyle(body).maxWidth);
      assert.notEqual(width, "none");
    },
  },
  {
    says: "takes a form of the shop and redirects within it",
    async run({ page }) {
      await page.fill("input[name=name]", "Lise Meitner");
      await page.click("form[action$='/shop/hello'] button");
      await page.getByRole("heading", { name: "Hello, Lise Meitner" }).waitFor();
      assert.equal(new URL(page.url()).pathname, "/shop/hello/Lise%20Meitner");
      await page.goto("/shop/hello/nobody?page=2");
      await page.getByRole("heading", { name: "Hello, nobody" }).waitFor();
    },
  },
  {
    says: "takes a picture to the shop and shows it",
    async run({ page, browser }) {
      await page.goto("/shop/");
      const buffer = await takePicture(browser, "For sale");
      const file = { name: "sale.png", mimeType: "image/png", buffer };
      await page.setInputFiles("input[name=picture]", file);
      await page.click("form[action$='/shop/upload'] button");
      await page.waitForURL(/\/shop\/storage\/[^/]+\.png$/);
      assert.equal(await widthOf(page.locator("img")), PICTURE_WIDTH);
    },
  },
  {
    says: "shows nobody what belongs to the other, or to nobody",
    async run({ page, visitor }) {
      const closed = [
        "/wiki/conf/local.php",
        "/wiki/data/pages/notes/one.txt",
        "/wiki/..%2fshop/public/index.php",
        "/wiki/%2e%2e/shop/config/app.php",
        "/shop/..%2fconfig/app.php",
        "/shop/%2e%2e%2froutes/web.php",
        "/shop/.env",
        "/wiki/js/shop.js",
        "/doku.php",
        "/index.php",
      ];
      for (const path of closed) {
        const status = await visitor.statusOf(path);
        assert.ok(status === 403 || status === 404, `${path}: ${status}`);
      }
      // Another page of the shop, and neither the wiki's script nor its source.
      await page.goto("/wiki/doku.php?id=notes:one");
      await page.getByRole("heading", { name: "One" }).waitFor();
    },
  },
];

applicationTests({
  name: "A wiki and a shop below one host",
  peers: ["dokuwiki", "laravel"],
  takesRoot: true,
  host(way) {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "own"));
    writeFileSync(
      join(directory, "own/index.html"),
      "<!doctype html><html lang=en><title>Own</title><link rel=icon href=data:,>" +
        "<h1>Own</h1><a href='/wiki/install.php'>wiki</a> <a href='/shop/'>shop</a></html>",
    );
    copyDokuWiki(join(directory, "wiki"));
    copyLaravel(join(directory, "shop"));
    return hostSite(way, directory, siteOf(directory));
  },
  steps: STEPS,
});
