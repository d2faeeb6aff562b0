import assert from "node:assert/strict";
import test from "node:test";
import { contentTypeOf, encodingOf } from "../../src/static/content_type.ts";

test("contentTypeOf goes by the extension and declares texts to be UTF-8", () => {
  const cases: [path: string, type: string][] = [
    ["/a/index.html", "text/html; charset=utf-8"],
    ["/a/STYLE.CSS", "text/css; charset=utf-8"],
    ["/a.js", "text/javascript; charset=utf-8"],
    ["/a.min.mjs", "text/javascript; charset=utf-8"],
    ["/a.txt", "text/plain; charset=utf-8"],
    ["/a.json", "application/json"],
    ["/a.svg", "image/svg+xml"],
    ["/a.png", "image/png"],
    ["/a.woff2", "font/woff2"],
    ["/a.wasm", "application/wasm"],
    ["/favicon.ico", "image/x-icon"],
    ["/FAVICON.ICO", "image/x-icon"],
    ["/a.vcf", "text/vcard; charset=utf-8"],
    ["/a.tar.xz", "application/x-xz"],
    ["/.html", "text/html; charset=utf-8"],
    ["/a.svgz", "image/svg+xml"],
    ["/a.ods", "application/vnd.oasis.opendocument.spreadsheet"],
  ];
  for (const [path, type] of cases) assert.equal(contentTypeOf(path), type, path);
});

test("contentTypeOf takes what it does not know for bytes", () => {
  const paths = ["/html", "/a.d/html", "/a.", "/a.xyzzy", "/a.constructor", "/a.__proto__", "/"];
  for (const path of paths) assert.equal(contentTypeOf(path), "application/octet-stream", path);
});

test("encodingOf knows a packed picture by its name, where it is told to be a picture", () => {
  const SVG = "image/svg+xml";
  const cases: [path: string, type: string, encoding: string | undefined][] = [
    ["/a.svgz", SVG, "gzip"],
    ["/A.SVGZ", SVG, "gzip"],
    ["/a.svg", SVG, undefined],
    ["/a.svgz", "application/octet-stream", undefined],
    ["/a.svgz.txt", SVG, undefined],
  ];
  for (const [path, type, encoding] of cases) assert.equal(encodingOf(path, type), encoding, path);
});
