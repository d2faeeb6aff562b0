/**
 * Adminer where Debian's package has it: nothing of it is written to, and one script is all of it.
 * The database is a MariaDB of the test's own.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { temporaryDirectory } from "../support/places.ts";
import { applicationTests, type Step, type Visit } from "./application.ts";
import { hostSite, PHP, type Way } from "./hosting.ts";
import { type Account, MariaDb } from "./mariadb.ts";

/** Enough that they neither come nor go in one piece. */
const ROWS = 5000;

let mariaDb: MariaDb | undefined;

function accountOf(way: Way): Account {
  return { database: `shop_${way}`, user: `ada_${way}`, password: "correct horse" };
}

async function logIn({ page, way }: Visit, password: string): Promise<void> {
  const { database, user } = accountOf(way);
  await page.goto("/");
  await page.fill("input[name='auth[server]']", `localhost:${mariaDb!.socket}`);
  await page.fill("input[name='auth[username]']", user);
  await page.fill("input[name='auth[password]']", password);
  await page.fill("input[name='auth[db]']", database);
  await page.getByRole("button", { name: "Login" }).click();
}

const STEPS: readonly Step[] = [
  {
    says: "keeps out who has the wrong password",
    async run(visit) {
      await logIn(visit, "wrong");
      await visit.page.getByText("Access denied for user").waitFor();
      visit.visitor.expect(/^403 GET \/\?server=/, /^console: .* 403 /);
    },
  },
  {
    says: "lets a person in",
    async run(visit) {
      await logIn(visit, accountOf(visit.way).password);
      await visit.page.locator("#content").getByText("No tables.").waitFor();
    },
  },
  {
    says: "makes a table",
    async run({ page, visitor }) {
      await visitor.follow(page.locator("#content").getByRole("link", { name: "Create table" }));
      await page.fill("input[name=name]", "fruit");
      const names = page.locator("#edit-fields input[name$='[field]']");
      await names.first().fill("id");
      await page.check("input[name=auto_increment_col][value='1']");
      await page.click("#edit-fields input[name='add[1]']");
      await names.nth(1).fill("name");
      await page.locator("#edit-fields select[name$='[type]']").nth(1).selectOption("varchar");
      await page.locator("#edit-fields input[name$='[length]']").nth(1).fill("100");
      await page.getByRole("button", { name: "Save" }).first().click();
      await page.getByText("Table has been created").waitFor();
    },
  },
  {
    says: "takes a row, and changes it",
    async run({ page, visitor }) {
      await visitor.follow(page.getByRole("link", { name: "New item" }));
      await page.fill("input[name='fields[name]']", "Pear");
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page.getByText("Item 1 has been inserted").waitFor();
      await visitor.follow(page.getByRole("link", { name: "edit", exact: true }));
      await page.fill("input[name='fields[name]']", "Größe & <b>Birne</b>");
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page.getByText("Item has been updated").waitFor();
      await page.getByRole("cell", { name: "Größe & <b>Birne</b>" }).waitFor();
    },
  },
  {
    says: "runs the statements of a file that is sent",
    async run({ page, visitor }) {
      await visitor.follow(page.locator("#menu").getByRole("link", { name: "Import" }));
      const rows = Array.from({ length: ROWS }, (_, row) => `('Quince ${row}')`);
      const sql = `INSERT INTO fruit (name) VALUES ${rows.join(",\n")};`;
      const file = { name: "fruit.sql", mimeType: "application/sql", buffer: Buffer.from(sql) };
      await page.setInputFiles("input[type=file]", file);
      await page.getByRole("button", { name: "Execute" }).first().click();
      await page.getByText("1 query executed OK").waitFor();
    },
  },
  {
    says: "finds rows",
    async run({ page, visitor }) {
      await visitor.follow(page.locator("#tables").getByRole("link", { name: "select" }));
      await page.getByRole("link", { name: "Search", exact: true }).click();
      await page.selectOption("select[name='where[0][col]']", "name");
      await page.fill("input[name='where[0][val]']", "Quince 1234");
      await page.getByRole("button", { name: "Select" }).click();
      await page.getByText("1 row", { exact: false }).first().waitFor();
      assert.equal(await page.locator("#table tbody tr").count(), 1);
    },
  },
  {
    says: "gives all rows back as a file",
    async run({ page, visitor }) {
      await visitor.follow(page.locator("#menu").getByRole("link", { name: "Export" }));
      await page.getByLabel("save", { exact: true }).check();
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: "Export" }).click(),
      ]);
      const sql = await readFile(await download.path(), "utf8");
      assert.equal(sql.match(/'Quince \d+'/g)?.length, ROWS);
      assert.match(sql, /'Größe & <b>Birne<\/b>'/);
    },
  },
  {
    says: "lets a person out",
    async run({ page }) {
      await page.getByRole("button", { name: "Logout" }).click();
      await page.getByText("Logout successful").waitFor();
      await page.getByRole("button", { name: "Login" }).waitFor();
    },
  },
];

applicationTests({
  name: "Adminer",
  peers: ["adminer", "mariadb"],
  async host(way) {
    mariaDb ??= await MariaDb.start();
    await mariaDb.createDatabase(accountOf(way));
    const php = { upstream: PHP, index: ["adminer.php"], scripts: ["/adminer.php"] };
    const site = { root: "/usr/share/adminer", routes: [{ php }] };
    return await hostSite(way, temporaryDirectory(), site);
  },
  async cleanUp() {
    await mariaDb?.stop();
  },
  steps: STEPS,
});
