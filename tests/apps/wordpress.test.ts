/**
 * WordPress of Debian's package by both files of `examples/wordpress`, on a MariaDB of the test's own.
 * It is a copy in which every link has become what it points at, since symlinks out of the root are
 * refused, with a `wp-config.php` of the kind that WordPress itself ships.
 */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { copyExample } from "../examples/common.ts";
import { applicationTests, type Step } from "./application.ts";
import { PICTURE_WIDTH, takePicture, widthOf } from "./browser.ts";
import { hostExample, type Way } from "./hosting.ts";
import { type Account, MariaDb } from "./mariadb.ts";

const USER = { name: "ada", password: "correct horse battery" };

/** A post, and its place: the name is percent-encoded in a URL. */
const TITLE = "Заметка о пиве";
const PATH = "/заметка-о-пиве/";

/** What WordPress chooses when it is installed and finds that it works. */
const INSTALLED_STRUCTURE = "/%year%/%monthnum%/%day%/%postname%/";

let mariaDb: MariaDb | undefined;

function accountOf(way: Way): Account {
  return { database: `wordpress_${way}`, user: `wordpress_${way}`, password: "correct horse" };
}

/** The constants that WordPress wants long and secret. */
const SECRETS = ["AUTH", "SECURE_AUTH", "LOGGED_IN", "NONCE"]
  .flatMap((name) => [`${name}_KEY`, `${name}_SALT`]);

/** The text of a `wp-config.php`. */
function configOf({ database, user, password }: Account): string {
  const texts = {
    DB_NAME: database,
    DB_USER: user,
    DB_PASSWORD: password,
    DB_HOST: `localhost:${mariaDb!.socket}`,
    DB_CHARSET: "utf8mb4",
    DB_COLLATE: "",
    ...Object.fromEntries(SECRETS.map((name) => [name, crypto.randomUUID()])),
  };
  return [
    "<?php",
    ...Object.entries(texts).map(([name, text]) => `define('${name}', '${text}');`),
    // Nothing outside is to be asked: neither for news nor for updates.
    "define('WP_HTTP_BLOCK_EXTERNAL', true);",
    "define('AUTOMATIC_UPDATER_DISABLED', true);",
    "$table_prefix = 'wp_';",
    "if (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/');",
    "require_once ABSPATH . 'wp-settings.php';",
    "",
  ].join("\n");
}

function copyWordPress(root: string, account: Account): void {
  cpSync("/usr/share/wordpress", root, { recursive: true, dereference: true });
  mkdirSync(join(root, "wp-content/uploads"), { recursive: true });
  writeFileSync(join(root, "wp-config.php"), configOf(account));
}

const STEPS: readonly Step[] = [
  {
    says: "is installed by its own page, which finds out that pretty permalinks work",
    async run({ page }) {
      await page.goto("/");
      await page.waitForURL("/wp-admin/install.php");
      await page.fill("#weblog_title", "Weblog of the test");
      await page.fill("#user_login", USER.name);
      await page.fill("#pass1", USER.password);
      await page.fill("#admin_email", "ada@example.org");
      await page.getByRole("button", { name: "Install WordPress" }).click();
      await page.getByText("WordPress has been installed").waitFor();
    },
  },
  {
    says: "lets a person in",
    async run({ page }) {
      await page.goto("/wp-login.php");
      // The page puts the cursor there after a while; what is typed must not be torn apart by that.
      await page.waitForSelector("#user_login:focus");
      await page.fill("#user_login", USER.name);
      await page.fill("#user_pass", USER.password);
      await page.getByRole("button", { name: "Log In" }).click();
      await page.waitForURL("/wp-admin/");
      await page.getByRole("heading", { name: "Dashboard" }).waitFor();
    },
  },
  {
    says: "offers permalinks without the name of a script, and obeys the one that is chosen",
    async run({ page }) {
      await page.goto("/wp-admin/options-permalink.php");
      assert.doesNotMatch(await page.locator(".permalink-structure").innerText(), /index\.php/);
      assert.equal(await page.inputValue("#permalink_structure"), INSTALLED_STRUCTURE);
      await page.check("input[name=selection][value='/%postname%/']");
      await page.getByRole("button", { name: "Save Changes" }).click();
      await page.getByText("Permalink structure updated").waitFor();
      await page.goto("/hello-world/");
      await page.getByRole("heading", { name: "Hello world!", exact: true }).waitFor();
    },
  },
  {
    says: "takes a picture, and makes smaller ones of it",
    async run({ page, browser }) {
      await page.goto("/wp-admin/upload.php");
      await page.click(".page-title-action");
      const buffer = await takePicture(browser, "A picture");
      const file = { name: "picture.png", mimeType: "image/png", buffer };
      await page.locator("input[type=file]").first().setInputFiles(file);
      const thumbnail = page.locator("li.attachment img[src*='/picture-300x']");
      await thumbnail.waitFor();
      assert.equal(await widthOf(thumbnail), 300);
      await page.click("li.attachment .thumbnail");
      await page.getByRole("heading", { name: "Attachment details" }).waitFor();
      await page.getByText(`${PICTURE_WIDTH} by 600 pixels`).waitFor();
    },
  },
  {
    says: "keeps a post that is written in its editor, with the picture",
    async run({ page }) {
      await page.goto("/wp-admin/post-new.php");
      await page.getByRole("button", { name: "Close dialog" }).click();
      await page.getByRole("textbox", { name: "Add title" }).fill(TITLE);
      await page.keyboard.press("Enter");
      await page.keyboard.type("A sentence of zymurgy.");
      await page.keyboard.press("Enter");
      await page.keyboard.type("/image");
      await page.getByRole("option", { name: "Image", exact: true }).click();
      await page.getByRole("button", { name: "Media Library" }).click();
      await page.getByRole("checkbox", { name: "picture" }).click();
      await page.getByRole("button", { name: "Select", exact: true }).click();
      await page.locator(".wp-block-image img").waitFor();
      await page.getByRole("button", { name: "Publish", exact: true }).click();
      await page.locator(".editor-post-publish-panel").getByRole("button", {
        name: "Publish",
        exact: true,
      }).click();
      await page.locator(".post-publish-panel__postpublish").getByRole("link", {
        name: "View Post",
      })
        .click();
      await page.waitForURL((url) => decodeURIComponent(url.pathname) === PATH);
      await page.getByRole("heading", { name: TITLE, exact: true }).waitFor();
      assert.equal(await widthOf(page.locator(".wp-block-image img")), PICTURE_WIDTH);
    },
  },
  {
    says: "keeps a change of the post",
    async run({ page }) {
      await page.locator("#wp-admin-bar-edit").getByRole("link").click();
      await page.locator("p.wp-block-paragraph").first().click();
      await page.keyboard.press("End");
      await page.keyboard.type(" Another one.");
      await page.getByRole("button", { name: "Update", exact: true }).click();
      await page.locator(".components-snackbar").getByText("Post updated").waitFor();
      await page.goto(PATH);
      await page.getByText("A sentence of zymurgy. Another one.").waitFor();
    },
  },
  {
    says: "says that there is no such page, and finds a word",
    async run({ page, visitor }) {
      await page.goto("/2026/nothing-here/?a=1");
      visitor.expect(/^404 GET \/2026\/nothing-here\/\?a=1/, /^console: .* 404 /);
      await page.getByPlaceholder("Search").fill("zymurgy");
      await page.getByRole("button", { name: "Search" }).click();
      await page.waitForURL("/?s=zymurgy");
      await page.getByRole("link", { name: TITLE }).first().click();
      await page.waitForURL((url) => decodeURIComponent(url.pathname) === PATH);
    },
  },
  {
    says: "has its feed, its sitemap and its interface at pretty paths",
    async run({ visitor }) {
      for (const path of ["/feed/", "/wp-sitemap.xml", "/wp-json/wp/v2/posts"]) {
        assert.equal(await visitor.statusOf(path), 200, path);
      }
    },
  },
  {
    says: "lets a person out",
    async run({ page }) {
      await page.hover("#wp-admin-bar-my-account");
      await page.click("#wp-admin-bar-logout a");
      await page.getByText("You are now logged out").waitFor();
      await page.goto("/wp-admin/");
      await page.waitForURL(/\/wp-login\.php\?redirect_to=/);
    },
  },
];

applicationTests({
  name: "WordPress",
  peers: ["wordpress", "mariadb"],
  async host(way) {
    mariaDb ??= await MariaDb.start();
    await mariaDb.createDatabase(accountOf(way));
    const directory = copyExample("wordpress");
    copyWordPress(join(directory, "wordpress"), accountOf(way));
    const files = { beside: "beside-php-fpm.yaml", spawned: "afcgi.yaml" };
    return await hostExample(way, directory, files);
  },
  async cleanUp() {
    await mariaDb?.stop();
  },
  steps: STEPS,
});
