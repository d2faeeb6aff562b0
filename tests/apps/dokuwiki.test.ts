/**
 * DokuWiki of Debian's package behind the site of `examples/dokuwiki`, laid out as its authors publish
 * it: a copy in which every link has become what it points at, since symlinks out of the root are
 * refused.
 */
import assert from "node:assert/strict";
import { appendFileSync, cpSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { temporaryDirectory } from "../support/places.ts";
import { applicationTests, type Step } from "./application.ts";
import { PICTURE_WIDTH, takePicture, widthOf } from "./browser.ts";
import { hostSite } from "./hosting.ts";

const MADE_BY_INSTALLER = ["local.php", "users.auth.php", "acl.auth.php"];

/** A name that is percent-encoded in a URL. */
const PAGE = "заметка";

const EXAMPLE = new URL("../../examples/dokuwiki/afcgi.yaml", import.meta.url);

const USER = { name: "ada", password: "correct horse", fullName: "Ada Example" };

/** Puts the parts of the package together, as DokuWiki itself has them. */
function copyDokuWiki(root: string): void {
  const options = { recursive: true, dereference: true } as const;
  cpSync("/usr/share/dokuwiki", root, options);
  cpSync("/etc/dokuwiki", join(root, "conf"), options);
  cpSync("/var/lib/dokuwiki/data", join(root, "data"), options);
  // What the package has configured; the installer asks anew.
  for (const name of MADE_BY_INSTALLER) rmSync(join(root, "conf", name), { force: true });
  // Both say that configuration and data are in /etc and /var.
  rmSync(join(root, "inc/preload.php"));
  appendFileSync(join(root, "conf/dokuwiki.php"), "\n$conf['savedir'] = './data';\n");
}

/** The site of the example, around the copy. */
function siteOf(root: string): Readonly<Record<string, unknown>> {
  const { sites: [site] } = parse(readFileSync(EXAMPLE, "utf8"));
  return { ...site, root };
}

const STEPS: readonly Step[] = [
  {
    says: "is installed by its own page",
    async run({ page, visitor }) {
      await page.goto("/install.php");
      await page.fill("#title", "Wiki of the test");
      await page.fill("#superuser", USER.name);
      await page.fill("#fullname", USER.fullName);
      await page.fill("#email", "ada@example.org");
      await page.fill("#password", USER.password);
      await page.fill("#confirm", USER.password);
      // Everybody may read, and only who is known may write.
      await page.selectOption("#policy", "1");
      await page.uncheck("#pop");
      // The installer shows a picture that must not be seen, which may come late.
      visitor.expect(/^403 GET \/data\/dont-panic/, /^console: .*403.*\/data\/dont-panic/);
      const refused = page.waitForEvent("console", (message) => message.text().includes("403"));
      await page.click("button[name=submit]");
      await page.getByText("The configuration was finished successfully").waitFor();
      await refused;
    },
  },
  {
    says: "lets a person in",
    async run({ page, visitor, directory }) {
      rmSync(join(directory, "root/install.php"));
      await page.goto("/");
      await visitor.follow(page.locator("a[href*='do=login']"));
      await page.fill("input[name=u]", USER.name);
      await page.fill("input[name=p]", USER.password);
      await page.click("#dw__login button[type=submit]");
      await page.getByText(`Logged in as: ${USER.fullName}`).waitFor();
    },
  },
  {
    says: "has nice URLs",
    async run({ page }) {
      await page.goto("/doku.php?id=start&do=admin&page=config");
      await page.selectOption("#config___userewrite", "1");
      await page.click("#dw__configform button[type=submit]");
      await page.getByText("Settings updated successfully").waitFor();
      await page.goto("/wiki:syntax");
      await page.getByRole("heading", { name: "Formatting Syntax" }).waitFor();
      await page.click("a.wikilink1[href='/wiki:dokuwiki']");
      await page.waitForURL("/wiki:dokuwiki");
      await page.getByRole("heading", { name: "DokuWiki", exact: true }).waitFor();
    },
  },
  {
    says: "keeps a page that is written, also one whose name is not ASCII",
    async run({ page, visitor }) {
      await page.goto(`/notes:${PAGE}`);
      await visitor.follow(page.locator("#dokuwiki__pagetools a[href*='do=edit']"));
      await page.fill("#wiki__text", "====== заметка ======\n\nA sentence of zymurgy.");
      const indexed = page.waitForResponse(/taskrunner\.php/);
      await page.click("#edbtn__save");
      await page.waitForURL((url) => decodeURIComponent(url.pathname) === `/notes:${PAGE}`);
      await page.getByRole("heading", { name: "заметка" }).waitFor();
      assert.equal((await indexed).status(), 200);
    },
  },
  {
    says: "takes a picture",
    async run({ page, browser }) {
      await page.goto(`/notes:${PAGE}?do=media&ns=notes`);
      await page.click("a[href*='tab_files=upload']");
      const buffer = await takePicture(browser, "A picture");
      const file = { name: "picture.png", mimeType: "image/png", buffer };
      await page.setInputFiles("#mediamanager__uploader input[type=file]", file);
      await page.click("#mediamanager__upload_button");
      await page.getByRole("link", { name: "picture.png" }).waitFor();
    },
  },
  {
    says: "shows the picture in a page that is edited, and alone",
    async run({ page }) {
      await page.goto(`/notes:${PAGE}?do=edit`);
      await page.locator("#wiki__text").press("Control+End");
      await page.locator("#wiki__text").pressSequentially("\n\n{{picture.png?200}}\n");
      await page.click("#edbtn__save");
      const small = page.locator("img[src^='/_media/notes:picture.png?w=200']");
      await small.waitFor();
      assert.equal(await widthOf(small), 200);
      await small.click();
      await page.waitForURL(/\/_detail\/notes:picture\.png/);
      await page.locator("#dokuwiki__detail img").first().click();
      await page.waitForURL(/\/_media\/notes:picture\.png/);
      assert.equal(await widthOf(page.locator("img")), PICTURE_WIDTH);
    },
  },
  {
    says: "finds a word",
    async run({ page }) {
      await page.goto("/");
      await page.fill("input[name=q]", "zymurgy");
      await page.press("input[name=q]", "Enter");
      const result = page.locator(".search_fullpage_result");
      await result.getByText("A sentence of zymurgy").waitFor();
      assert.equal(await result.count(), 1);
      await result.getByRole("link").first().click();
      await page.getByRole("heading", { name: "заметка" }).waitFor();
    },
  },
  {
    says: "shows nobody its configuration and its data",
    async run({ visitor }) {
      assert.equal(await visitor.statusOf("/conf/local.php"), 403);
      assert.equal(await visitor.statusOf("/data/pages/wiki/syntax.txt"), 403);
      assert.equal(await visitor.statusOf("/inc/init.php"), 403);
      assert.equal(await visitor.statusOf("/lib/../conf/mime.conf"), 403);
      assert.equal(await visitor.statusOf("/.htaccess"), 403);
    },
  },
  {
    says: "lets a person out",
    async run({ page }) {
      await page.click("a[href*='do=logout']");
      await page.locator("a[href*='do=login']").waitFor();
      await page.goto(`/notes:${PAGE}?do=edit`);
      await page.getByText("This page is read only").waitFor();
    },
  },
];

applicationTests({
  name: "DokuWiki",
  peers: ["dokuwiki"],
  takesRoot: true,
  host(way) {
    const directory = temporaryDirectory();
    const root = join(directory, "root");
    copyDokuWiki(root);
    return hostSite(way, directory, siteOf(root));
  },
  steps: STEPS,
});
