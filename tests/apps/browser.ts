/**
 * A person with a browser: Debian's Chromium without a window, driven by playwright-core. A `Visitor`
 * has one page, and notes what a person would see as broken: responses of 4xx and 5xx, requests that
 * fail, errors on the console and in scripts. Hosts elsewhere are out of reach: what a page wants
 * from there is cut off before it leaves the browser, and is no error of the page's.
 *
 * `AFCGI_TEST_SCREENSHOTS` names a directory that gets a picture of the page after each step.
 */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  type Browser,
  type BrowserContext,
  chromium,
  type ConsoleMessage,
  type Locator,
  type Page,
  type Request,
  type Response,
} from "playwright-core";

/** For one action on a page, such as a click and what it waits for. */
const ACTION_LIMIT_MS = 20_000;

const VIEWPORT = { width: 1280, height: 900 };

/** How Chromium says that a request was given up for another page, by the page itself. */
const GIVEN_UP = "net::ERR_ABORTED";

/** How it says that a host is out of reach. */
const OUT_OF_REACH = "net::ERR_BLOCKED_BY_CLIENT";

export async function startBrowser(): Promise<Browser> {
  return await chromium.launch({
    executablePath: "/usr/bin/chromium",
    // Its sandbox takes more rights than a container has, and refuses root.
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
}

/** One person in front of one site. */
export class Visitor {
  readonly page: Page;
  readonly #context: BrowserContext;
  readonly #origin: string;
  #errors: string[] = [];
  #expected: readonly RegExp[] = [];

  private constructor(context: BrowserContext, page: Page, origin: string) {
    this.#context = context;
    this.page = page;
    this.#origin = origin;
    page.on("response", (response) => this.#sawResponse(response));
    page.on("requestfailed", (request) => this.#sawFailure(request));
    page.on("console", (message) => this.#sawMessage(message));
    page.on("pageerror", (error) => this.#errors.push(`script: ${error.message}`));
  }

  /** `origin` is the site's, such as `http://127.0.0.1:8080`. */
  static async open(browser: Browser, origin: string): Promise<Visitor> {
    const context = await browser.newContext({ baseURL: origin, viewport: VIEWPORT });
    context.setDefaultTimeout(ACTION_LIMIT_MS);
    await context.route(
      (url) => url.origin !== origin && url.protocol.startsWith("http"),
      (route) => route.abort("blockedbyclient"),
    );
    return new Visitor(context, await context.newPage(), origin);
  }

  /** Errors that begin as one of `errors` does are part of what is done next. */
  expect(...errors: readonly RegExp[]): void {
    this.#expected = errors;
  }

  /** Nothing was broken since the last time. */
  sawNoError(): void {
    const errors = this.#errors.filter((error) => !this.#expected.some((one) => one.test(error)));
    this.#errors = [];
    this.#expected = [];
    assert.deepEqual(errors, []);
  }

  /** Keeps a picture of the page, where somebody wants to look at it. */
  async takePicture(step: string): Promise<void> {
    const directory = process.env.AFCGI_TEST_SCREENSHOTS;
    if (!directory) return;
    mkdirSync(directory, { recursive: true });
    const name = step.replace(/[^a-z0-9]+/gi, "-");
    await this.page.screenshot({ path: join(directory, `${name}.png`), fullPage: true });
  }

  /**
   * Clicks what leads to another page, and waits until that has run its scripts: a page that puts the
   * cursor into a field would otherwise take what is being typed into another one.
   */
  async follow(link: Locator): Promise<void> {
    await Promise.all([this.page.waitForEvent("load"), link.click()]);
  }

  /** The status of a page of the site for this visitor, with his cookies. */
  async statusOf(path: string): Promise<number> {
    return (await this.#context.request.get(path, { maxRedirects: 0 })).status();
  }

  async close(): Promise<void> {
    await this.#context.close();
  }

  #isOurs(url: string): boolean {
    return url.startsWith(`${this.#origin}/`);
  }

  #sawResponse(response: Response): void {
    const status = response.status();
    if (status < 400) return;
    this.#errors.push(`${status} ${response.request().method()} ${this.#pathOf(response.url())}`);
  }

  #sawFailure(request: Request): void {
    const reason = request.failure()?.errorText ?? "";
    if (reason === GIVEN_UP || !this.#isOurs(request.url())) return;
    this.#errors.push(`${reason} ${request.method()} ${this.#pathOf(request.url())}`);
  }

  #sawMessage(message: ConsoleMessage): void {
    if (message.type() !== "error") return;
    const { url } = message.location();
    if (message.text().includes(OUT_OF_REACH) && !this.#isOurs(url)) return;
    this.#errors.push(`console: ${message.text()} (${this.#pathOf(url)})`);
  }

  #pathOf(url: string): string {
    return this.#isOurs(url) ? url.slice(this.#origin.length) : url;
  }
}

export const PICTURE_WIDTH = 800;

/** A PNG with a text on it. */
export async function takePicture(browser: Browser, text: string): Promise<Buffer> {
  const viewport = { width: PICTURE_WIDTH, height: 600 };
  const page = await browser.newPage({ viewport });
  try {
    await page.setContent(
      `<body style="margin: 0; display: grid; place-items: center; height: 100vh;
        font: 72px sans-serif; color: white; background: linear-gradient(45deg, teal, purple)"
      >${text}`,
    );
    return await page.screenshot();
  } finally {
    await page.close();
  }
}

/** How wide a picture on a page is by itself, once it is there. */
export async function widthOf(picture: Locator): Promise<number> {
  return await picture.evaluate(async (element) => {
    const image = element as HTMLImageElement;
    await image.decode();
    return image.naturalWidth;
  });
}
