/** Which site a host belongs to, of a thousand as of three; what is found is what looking through finds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SiteTable } from "../../src/routing/site_table.ts";

interface Claim {
  readonly hosts: readonly string[];
  readonly site: number;
}

function tableOf(claims: readonly Claim[]): SiteTable<number> {
  const table = new SiteTable<number>();
  for (const { hosts, site } of claims) table.add(hosts, site);
  return table;
}

/** As the words have it: an exact name, then the longest wildcard, then the site for every host. */
function lookThrough(claims: readonly Claim[], host: string): number | undefined {
  let best: { readonly length: number; readonly site: number } | undefined;
  for (const { hosts, site } of claims) {
    for (const name of hosts) {
      if (name === host) return site;
      const suffix = name.slice(1);
      if (!name.startsWith("*.") || !host.endsWith(suffix) || host.length <= suffix.length) {
        continue;
      }
      if (best === undefined || suffix.length > best.length) best = { length: suffix.length, site };
    }
  }
  return best?.site ?? claims.find(({ hosts }) => hosts.length === 0)?.site;
}

const label = fc.constantFrom("a", "b", "ab", "");
const name = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join("."));
const claimed = fc.oneof(name, name.map((text) => `*.${text}`));
const claims = fc.array(fc.array(claimed, { maxLength: 3 }), { maxLength: 12 })
  .map((all) => all.map((hosts, site) => ({ hosts, site })));

test("A host finds the site that looking through all of them finds", () => {
  fc.assert(
    fc.property(claims, name, (claims, host) => {
      assert.equal(tableOf(claims).find(host), lookThrough(claims, host));
    }),
    { numRuns: 2_000 },
  );
});

test("A thousand wildcards are not looked through for one host", () => {
  const table = new SiteTable<number>();
  for (let site = 0; site < 1_000; site++) table.add([`*.site-${site}.example`], site);
  let looks = 0;
  const { get } = Map.prototype;
  Map.prototype.get = function (this: Map<unknown, unknown>, key: unknown) {
    looks++;
    return get.call(this, key);
  };
  try {
    assert.equal(table.find("www.a.site-500.example"), 500);
    assert.equal(table.find("a.b.c.d.e.f.g.h.other.example"), undefined);
    assert.ok(looks <= 24, `${looks} looks`);
    looks = 0;
    // No more of it is looked at than a wildcard could have.
    table.find("a.".repeat(10_000));
    assert.ok(looks <= 24, `${looks} looks`);
  } finally {
    Map.prototype.get = get;
  }
});
