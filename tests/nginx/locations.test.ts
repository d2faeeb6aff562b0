import assert from "node:assert/strict";
import { test } from "node:test";
import { findLocation, inOrder, locationsOf } from "../../src/nginx/locations.ts";
import { parseNginx } from "../../src/nginx/parser.ts";
import { Scope } from "../../src/nginx/scope.ts";

const TEXT = `
location / { }
location = /a { }
location /a/ { location ~ \\.in$ { } }
location ^~ /s/ { }
location /s/open/ { }
location ~ \\.php$ { }
location ~* \\.PNG$ { }
location @named { }
`;

const locations = locationsOf(new Scope(parseNginx(TEXT, "a.conf")));

test("findLocation takes exact, strong, expressions in their order, then the longest prefix", () => {
  const found = (path: string) => findLocation(locations, path)?.directive.args.join(" ");
  assert.equal(found("/a"), "= /a");
  assert.equal(found("/a/x"), "/a/");
  assert.equal(found("/a/x.in"), "~ \\.in$");
  assert.equal(found("/x.in"), "/");
  assert.equal(found("/a/x.php"), "~ \\.php$");
  assert.equal(found("/s/x.php"), "^~ /s/");
  assert.equal(found("/s/open/x.php"), "~ \\.php$");
  assert.equal(found("/s/open/x"), "/s/open/");
  assert.equal(found("/b.png"), "~* \\.PNG$");
});

test("inOrder puts each location where the first that matches is nginx's", () => {
  const order = inOrder(locations).map(({ location, below }) =>
    `${location.directive.args.join(" ")}${below === undefined ? "" : ` below ${below}`}`
  );
  assert.deepEqual(order, [
    "= /a",
    "~ \\.php$ below /s/open/",
    "~* \\.PNG$ below /s/open/",
    "/s/open/",
    "~ \\.in$ below /a/",
    "^~ /s/",
    "~ \\.php$",
    "~* \\.PNG$",
    "/a/",
    "/",
  ]);
});
