/** The sites of `caddy_configs.test.ts`: the files of each, what else is asked, and what differs. */
import type { ComparedSite } from "./compared_servers.ts";

const BASIC = { Authorization: `Basic ${btoa("anna:secret")}` };
const WRONG = { Authorization: `Basic ${btoa("anna:wrong")}` };

const SLASH = "A directory gets its slash first, and is no file then as well";
const CASE = "What is taken off a path minds case";
const BARE = "A directory without an index gets its slash, too";

export const CADDY_SITES: readonly ComparedSite[] = [
  {
    name: "wordpress",
    root: "",
    files: [
      "index.php",
      "wp-login.php",
      "xmlrpc.php",
      "readme.html",
      "wp-admin/index.php",
      "wp-admin/a.css",
      "wp-content/uploads/x.php",
      "wp-content/uploads/p.png",
      "wp-config.php",
    ],
    requests: ["/a-post/?p=1", "/WP-CONFIG.php", "/feed/atom", "/wp-content/uploads/y.php"],
  },
  {
    name: "laravel",
    root: "public",
    files: ["public/index.php", "public/css/a.css", "public/storage/a.txt", "public/index.html"],
    requests: [
      "/orders/7?page=2",
      "/app/key?x=1",
      "/app",
      { target: "/orders", method: "POST", body: "a=1" },
      { target: "/orders", headers: { Authorization: "Bearer x" } },
    ],
  },
  {
    name: "symfony",
    root: "public",
    files: ["public/index.php", "public/bundles/a.js", "public/other.php"],
    requests: ["/index.php/info", "/other.php/x", "/_profiler/1", "/api/doc.json"],
  },
  {
    name: "spa",
    root: "dist",
    files: ["dist/index.html", "dist/assets/a.js", "dist/about/index.html"],
    requests: [
      "/users/7",
      "/assets/none.js",
      "/api/things?x=1",
      "/api/moved",
      "/api",
      "/API/things",
      "/robots.txt",
    ],
    differences: [
      { targets: /^\/(?:about|assets)$/, is: /^200.*, here to its slash$/, why: SLASH },
      { targets: /^\/API/, is: /^200.*, here 404/, why: CASE },
    ],
  },
  {
    name: "files",
    root: "",
    files: [
      "a.txt",
      "old.bak",
      "sub/secret.key",
      "sub/page.html",
      "sub/index.html",
      "private/x.txt",
    ],
    requests: [
      "/go",
      "/go/there?x=1",
      "/moved/a/b?c=d",
      "/health",
      "/private/x.txt/",
      { target: "/private/x.txt", headers: BASIC },
      { target: "/private/x.txt", headers: WRONG },
      { target: "/PRIVATE/x.txt" },
      { target: "/a.txt", method: "DELETE" },
      { target: "/teapot", headers: { "X-Tea": "green" } },
      "/teapot",
      "/search?mode=full",
      "/search?mode=none",
    ],
    differences: [{ targets: /^\/private$/, is: /^404.*, here to its slash$/, why: BARE }],
  },
  {
    name: "guarded",
    root: "",
    files: ["index.php", "admin/index.php", "inner/x.txt", "internal/y.txt", "outside/z.txt"],
    requests: [
      { target: "/dash/x", headers: { "X-User": "anna" } },
      "/dash/x",
      { target: "/admin/", headers: BASIC },
      { target: "/admin/index.php", headers: WRONG },
      "/admin/any/path",
    ],
  },
  {
    name: "handles",
    root: "",
    files: [
      "site/index.html",
      "site/a.txt",
      "docs/index.html",
      "docs/guide/b.html",
      "shop/index.php",
      "shop/s.css",
    ],
    requests: [
      "/a.txt",
      "/docs/guide/b.html",
      "/docs/none",
      "/shop/",
      "/shop/s.css",
      "/shop/cart/7",
      "/Docs/",
    ],
    differences: [
      { targets: /^\/docs\/guide$/, is: /^404.*, here to its slash$/, why: BARE },
      { targets: /^\/Docs/, is: /^200.*, here 404/, why: CASE },
      {
        targets: /\.php$/,
        is: /^404.*, here 403/,
        why: "A name that could be a script's is refused",
      },
    ],
  },
  {
    name: "snippets",
    root: "",
    files: ["index.php", "a.css", "errors/404.html", "maintenance.html"],
    requests: ["/old-1", "/old-22?x=y", "/old-x", "/api.json", "/gone", "/section/a"],
  },
  {
    name: "tries",
    root: "",
    files: ["index.php", "about.php", "page.html", "dir/index.php", "dir/a.txt"],
    requests: ["/about", "/page", "/dir/x", "/about/7", "/any?x=1"],
    told: [/lost: .*"\{path\}\.html" is not tried before its scripts/],
    differences: [
      {
        targets: /^\/page$/,
        is: /here 200 .*\/index\.php$/,
        why: "As the import says",
      },
      { targets: /^\/dir$/, is: /^200.*, here to its slash$/, why: SLASH },
      {
        targets: /\.php\/info/,
        is: /^200/,
        why: "A path behind a script's name is PATH_INFO, also where try_files stands before",
      },
    ],
  },
];
