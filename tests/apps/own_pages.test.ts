/**
 * The pages that afcgi makes itself, in a browser: on a phone's screen and on a desk's, light and
 * dark. Their policy lets the style through, and nothing is wider than the screen.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { Afcgi } from "../support/afcgi.ts";
import { temporaryDirectory } from "../support/places.ts";
import { startBrowser } from "./browser.ts";

const WIDTHS = [360, 1280];
const PAPER = { light: "rgb(251, 250, 247)", dark: "rgb(20, 24, 30)" };

/** Path and status of each page, and a text that a visitor reads there. */
const PAGES: readonly [name: string, path: string, status: number, text: string][] = [
  ["not-found", "/missing", 404, "There is no page at this address."],
  ["application-gone", "/app/", 502, "did not respond properly"],
  ["not-allowed", "/.hidden", 403, "You are not allowed to see this page."],
  ["listing", "/files/", 200, "a-rather-long-name"],
];

let browser: Browser;
let afcgi: Afcgi;

before(async () => {
  const root = temporaryDirectory();
  mkdirSync(join(root, "files/a directory"), { recursive: true });
  for (
    const name of ["notes.txt", `${"a-rather-long-name-".repeat(8)}.pdf`, `${"x".repeat(200)}`]
  ) {
    writeFileSync(join(root, "files", name), "x".repeat(name.length * 1000));
  }
  afcgi = await Afcgi.start({
    config: {
      upstreams: { app: { servers: ["unix:/nobody/listens"] } },
      sites: [{
        root,
        routes: [
          { path: "/app/*", fastcgi: { upstream: "app" } },
          { static: { listing: true } },
        ],
      }],
    },
  });
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await afcgi?.stop();
});

for (const [name, path, status, text] of PAGES) {
  test(`The page "${name}" is readable on every screen, light and dark`, async () => {
    for (const width of WIDTHS) {
      for (const colorScheme of ["light", "dark"] as const) {
        const where = `${name}-${width}-${colorScheme}`;
        const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
        const messages: string[] = [];
        page.on("console", (message) => messages.push(message.text()));
        const response = await page.goto(`http://127.0.0.1:${afcgi.port}${path}`);
        assert.equal(response?.status(), status);
        assert.match(await page.innerText("body"), new RegExp(text));
        const shown = await page.evaluate(() => ({
          paper: getComputedStyle(document.body).backgroundColor,
          overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        }));
        assert.deepEqual(shown, { paper: PAPER[colorScheme], overflow: 0 }, where);
        assert.deepEqual(messages.filter((message) => /policy|refused/i.test(message)), [], where);
        const directory = process.env.AFCGI_TEST_SCREENSHOTS;
        if (directory) await page.screenshot({ path: join(directory, `${where}.png`) });
        await page.close();
      }
    }
  });
}
