/** The sites of `apache_configs.test.ts`: the files of each, what else is asked, and what differs. */
import { type ComparedSite, SCRIPT } from "./compared_servers.ts";

const BASIC = { Authorization: `Basic ${btoa("anna:secret")}` };
const WRONG = { Authorization: `Basic ${btoa("anna:wrong")}` };
const OTHER = { Authorization: `Basic ${btoa("otto:secret")}` };
const HASH = "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/";
const USERS = `anna:${HASH}\notto:${HASH}\n`;

const WORDPRESS = `# BEGIN WordPress
<IfModule mod_rewrite.c>
RewriteEngine On
RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]
RewriteBase /
RewriteRule ^index\\.php$ - [L]
RewriteCond %{REQUEST_FILENAME} !-f
RewriteCond %{REQUEST_FILENAME} !-d
RewriteRule . /index.php [L]
</IfModule>
# END WordPress
`;

const MULTISITE = `RewriteEngine On
RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]
RewriteBase /
RewriteRule ^index\\.php$ - [L]

# add a trailing slash to /wp-admin
RewriteRule ^([_0-9a-zA-Z-]+/)?wp-admin$ $1wp-admin/ [R=301,L]

RewriteCond %{REQUEST_FILENAME} -f [OR]
RewriteCond %{REQUEST_FILENAME} -d
RewriteRule ^ - [L]
RewriteRule ^([_0-9a-zA-Z-]+/)?(wp-(content|admin|includes).*) $2 [L]
RewriteRule ^([_0-9a-zA-Z-]+/)?(.*\\.php)$ $2 [L]
RewriteRule . index.php [L]
`;

const LARAVEL = `<IfModule mod_rewrite.c>
    <IfModule mod_negotiation.c>
        Options -MultiViews -Indexes
    </IfModule>

    RewriteEngine On

    # Handle Authorization Header
    RewriteCond %{HTTP:Authorization} .
    RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]

    # Redirect Trailing Slashes If Not A Directory...
    RewriteCond %{REQUEST_FILENAME} !-d
    RewriteCond %{REQUEST_URI} (.+)/$
    RewriteRule ^ %1 [L,R=301]

    # Send Requests To Front Controller...
    RewriteCond %{REQUEST_FILENAME} !-d
    RewriteCond %{REQUEST_FILENAME} !-f
    RewriteRule ^ index.php [L]
</IfModule>
`;

const SYMFONY = `DirectoryIndex index.php
<IfModule mod_negotiation.c>
    Options -MultiViews
</IfModule>
<IfModule mod_rewrite.c>
    RewriteEngine On
    RewriteCond %{REQUEST_URI}::$0 ^(/.+)/(.*)::\\2$
    RewriteRule .* - [E=BASE:%1]
    RewriteCond %{HTTP:Authorization} .+
    RewriteRule ^ - [E=HTTP_AUTHORIZATION:%0]
    RewriteCond %{ENV:REDIRECT_STATUS} =""
    RewriteRule ^index\\.php(?:/(.*)|$) %{ENV:BASE}/$1 [R=301,L]
    RewriteCond %{REQUEST_FILENAME} !-f
    RewriteRule ^ %{ENV:BASE}/index.php [L]
</IfModule>
<IfModule !mod_rewrite.c>
    <IfModule mod_alias.c>
        RedirectMatch 307 ^/$ /index.php/
    </IfModule>
</IfModule>
`;

const DRUPAL =
  `<FilesMatch "\\.(engine|inc|install|make|module|profile|po|sh|.*sql|theme|twig|tpl(\\.php)?|xtmpl|yml)(~|\\.sw[op]|\\.bak|\\.orig|\\.save)?$|^(\\.(?!well-known).*|Entries.*|Repository|Root|Tag|Template|composer\\.(json|lock)|web\\.config|yarn\\.lock|package\\.json)$|^#.*#$|\\.php(~|\\.sw[op]|\\.bak|\\.orig|\\.save)$">
  <IfModule mod_authz_core.c>
    Require all denied
  </IfModule>
  <IfModule !mod_authz_core.c>
    Order allow,deny
  </IfModule>
</FilesMatch>
Options -Indexes
ErrorDocument 404 /index.php
DirectoryIndex index.php index.html index.htm
AddType image/svg+xml svg svgz
AddEncoding gzip svgz
<IfModule mod_php.c>
  php_value assert.active 0
</IfModule>
<IfModule mod_expires.c>
  ExpiresActive On
  ExpiresDefault A1209600
  <FilesMatch \\.php$>
    ExpiresActive Off
  </FilesMatch>
</IfModule>
<IfModule mod_rewrite.c>
  RewriteEngine on
  RewriteRule ^ - [E=protossl]
  RewriteCond %{HTTPS} on
  RewriteRule ^ - [E=protossl:s]
  RewriteRule "/\\.|^\\.(?!well-known/)" - [F]
  RewriteCond %{REQUEST_URI} ^(.*)?/(install\\.php) [OR]
  RewriteCond %{REQUEST_URI} ^(.*)?/(rebuild\\.php)
  RewriteCond %{REQUEST_URI} !core
  RewriteRule ^ %1/core/%2 [L,QSA,R=301]
  RewriteCond %{REQUEST_FILENAME} !-f
  RewriteCond %{REQUEST_FILENAME} !-d
  RewriteCond %{REQUEST_URI} !=/favicon.ico
  RewriteRule ^ index.php [L]
  RewriteCond %{REQUEST_URI} !/core/[^/]*\\.php$
  RewriteCond %{REQUEST_URI} !/core/modules/system/tests/https?\\.php
  RewriteRule "^.+/.*\\.php$" - [F]
</IfModule>
<IfModule mod_headers.c>
  Header always set X-Extra nosniff
</IfModule>
`;

const NEXTCLOUD = `<IfModule mod_headers.c>
  <IfModule mod_env.c>
    SetEnv modHeadersAvailable true
  </IfModule>
  Header always set X-Extra "noindex"
  <FilesMatch "\\.(css|js|svg|gif)$">
    Header set Cache-Control "max-age=15778463"
  </FilesMatch>
</IfModule>
<IfModule mod_setenvif.c>
  SetEnvIfNoCase ^Authorization$ "(.+)" XAUTHORIZATION=$1
  RequestHeader set XAuthorization %{XAUTHORIZATION}e env=XAUTHORIZATION
</IfModule>
<IfModule mod_rewrite.c>
  RewriteEngine on
  RewriteCond %{HTTP_USER_AGENT} DavClnt
  RewriteRule ^$ /remote.php/webdav/ [L,R=302]
  RewriteRule .* - [env=HTTP_AUTHORIZATION:%{HTTP:Authorization}]
  RewriteRule ^\\.well-known/carddav /remote.php/dav/ [R=301,L]
  RewriteRule ^remote/(.*) remote.php [QSA,L]
  RewriteRule ^(?:build|tests|config|lib|3rdparty|templates)/.* - [R=404,L]
  RewriteRule ^(?:\\.(?!well-known)|autotest|occ|issue|indie|db_|console).* - [R=404,L]
</IfModule>
AddDefaultCharset utf-8
Options -Indexes
DirectoryIndex index.php index.html
`;

export const APACHE_SITES: readonly ComparedSite[] = [
  {
    name: "wordpress",
    root: "",
    files: {
      ".htaccess": WORDPRESS,
      "index.php": SCRIPT,
      "wp-login.php": SCRIPT,
      "wp-admin/index.php": SCRIPT,
      "wp-admin/a.css": "css\n",
      "wp-includes/.htaccess": "Options -Indexes\n",
      "wp-includes/a.php": SCRIPT,
      "wp-content/uploads/p.png": "png\n",
      "wp-content/uploads/x.php": SCRIPT,
      "wp-content/uploads/.htaccess": "<Files *.php>\ndeny from all\n</Files>\n",
      "wp-content/cache/.htaccess": "Deny from all\n",
      "wp-content/cache/x.txt": "x\n",
      "readme.html": "readme\n",
    },
    requests: ["/a-post/?p=1&q=%20", "/feed/atom", "/wp-content/cache/y", "/xmlrpc.php?x"],
  },
  {
    name: "multisite",
    root: "",
    files: {
      ".htaccess": MULTISITE,
      "index.php": SCRIPT,
      "wp-login.php": SCRIPT,
      "wp-admin/index.php": SCRIPT,
      "wp-content/themes/a.css": "css\n",
      "wp-includes/a.js": "js\n",
    },
    requests: [
      "/blog/wp-admin",
      "/blog/wp-admin/",
      "/blog/wp-login.php?x=1",
      "/blog/wp-content/themes/a.css",
      "/blog/a-post/",
      "/wp-admin",
    ],
  },
  {
    name: "laravel",
    root: "public",
    files: {
      "public/.htaccess": LARAVEL,
      "public/index.php": SCRIPT,
      "public/css/a.css": "css\n",
      "public/robots.txt": "robots\n",
    },
    requests: [
      "/orders/7?page=2",
      "/orders/7/?page=2",
      "/css/",
      { target: "/orders", method: "POST", body: "a=1" },
      { target: "/orders", headers: { Authorization: "Bearer x" } },
    ],
  },
  {
    name: "symfony",
    root: "public",
    files: {
      "public/.htaccess": SYMFONY,
      "public/index.php": SCRIPT,
      "public/bundles/a.js": "js\n",
    },
    requests: ["/index.php", "/index.php/blog/7?x=1", "/blog/7?x=1", "/bundles/none"],
  },
  {
    name: "drupal",
    root: "web",
    files: {
      "web/.htaccess": DRUPAL,
      "web/index.php": SCRIPT,
      "web/core/install.php": SCRIPT,
      "web/core/lib/x.php": SCRIPT,
      "web/modules/a/a.module": "module\n",
      "web/modules/a/a.php": SCRIPT,
      "web/sites/default/settings.yml": "yml\n",
      "web/sites/default/files/a.txt": "a\n",
      "web/sites/default/files/.htaccess": "SetHandler none\nOptions -Indexes\n",
      "web/sites/default/files/x.php": SCRIPT,
      "web/composer.json": "{}\n",
      "web/a.css": "css\n",
    },
    requests: [
      "/node/7?x=1",
      "/install.php?a=b",
      "/x/.git/config",
      "/favicon.ico",
      "/composer.lock",
      "/a.inc~",
    ],
    told: [/ErrorDocument 404 \/index\.php/, /AddType/],
  },
  {
    name: "nextcloud",
    root: "",
    files: {
      ".htaccess": NEXTCLOUD,
      "index.php": SCRIPT,
      "remote.php": SCRIPT,
      "config/config.php": SCRIPT,
      "lib/base.php": SCRIPT,
      "core/js/a.js": "js\n",
      "data/.htaccess": "Require all denied\n",
      "data/file.txt": "secret\n",
      "occ": "occ\n",
      "apps/a/index.php": SCRIPT,
    },
    requests: [
      "/remote/dav/x?y=1",
      "/remote.php/dav/files",
      "/index.php/login",
      "/.well-known/carddav",
      { target: "/", headers: { "User-Agent": "DavClnt/1" } },
      "/autotest.sh",
    ],
    told: [/RequestHeader/],
  },
  {
    name: "mediawiki",
    root: "",
    files: [
      "w/index.php",
      "w/load.php",
      "w/images/a.png",
      "w/images/x.php",
      "w/cache/x.txt",
      "w/includes/a.php",
    ],
    differences: [{
      targets: /^\/wiki/,
      is: /^200 \/wiki.*, here 200 \/w\/index\.php$/,
      why: "The name of a script is the script's, where Apache has the client's path",
    }],
    requests: ["/wiki/Main_Page", "/wiki/A%20B?action=edit", "/wiki/", "/wiki", "/x"],
  },
  {
    name: "phpmyadmin",
    root: "www",
    files: {
      "www/index.html": "start\n",
      "www/info.php": SCRIPT,
      "pma/index.php": SCRIPT,
      "pma/js/a.js": "js\n",
      "pma/libraries/x.php": SCRIPT,
      "pma/setup/index.php": SCRIPT,
      "htpasswd": USERS,
    },
    requests: [
      "/phpmyadmin",
      "/phpmyadmin/",
      "/phpmyadmin/index.php?x=1",
      "/phpmyadmin/js/a.js",
      "/phpmyadmin/libraries/x.php",
      "/phpmyadmin/setup/",
      { target: "/phpmyadmin/setup/", headers: BASIC },
      { target: "/phpmyadmin/setup/index.php", headers: WRONG },
      { target: "/phpmyadmin/setup/index.php", headers: OTHER },
      "/phpmyadmin/none",
      "/robots.txt",
    ],
  },
  {
    name: "roundcube",
    root: "",
    files: [
      "index.php",
      "skins/a.css",
      "config/config.inc.php",
      "temp/x",
      "logs/errors",
      "bin/x.sh",
      "README.md",
      "SQL/x.sql",
      "plugins/a/a.php",
    ],
    requests: ["/?_task=mail", "/config/", "/.git/HEAD", "/plugins/a/b.inc"],
  },
  {
    name: "programs",
    root: "www",
    files: {
      "www/index.html": "start\n",
      "cgi/hello.cgi":
        '#!/bin/sh\nprintf \'Content-Type: text/plain\\n\\n%s %s\\n\' "$SCRIPT_NAME" "$PATH_INFO"\n',
      "cgi/env": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s\\n' \"$QUERY_STRING\"\n",
    },
    requests: [
      "/cgi-bin/hello.cgi",
      "/cgi-bin/hello.cgi/a/b?x=1",
      "/cgi-bin/env?x=1",
      "/cgi-bin/none",
      "/cgi-bin/",
    ],
  },
  {
    name: "proxies",
    root: "",
    files: ["index.html", "local/a.txt", "assets/a.css"],
    requests: [
      "/api",
      "/api/things?x=1",
      "/apis",
      "/api/local/x",
      "/app/a%20b",
      "/app/moved",
      "/v1/things",
      "/balanced/x",
      "/inside/x",
      { target: "/api/things", method: "POST", body: "x" },
    ],
    told: [],
  },
  {
    name: "rules",
    root: "",
    files: {
      "index.php": SCRIPT,
      "a.txt": "a\n",
      "page.php": SCRIPT,
      "private/x.txt": "x\n",
      "listing/a.txt": "a\n",
      "listing/b.txt": "b\n",
      "404.html": "nothing here\n",
      "htpasswd": USERS,
      "only/x.txt": "x\n",
    },
    requests: [
      "/old",
      "/old/a/b?x=1",
      "/gone",
      "/match-7?a=b",
      { target: "/a.txt", method: "TRACE" },
      { target: "/a.txt", method: "DELETE" },
      { target: "/a.txt", headers: { Host: "www.test.example" } },
      { target: "/private/x.txt", headers: BASIC },
      { target: "/private/x.txt", headers: WRONG },
      { target: "/only/x.txt", headers: BASIC },
      { target: "/only/x.txt", headers: OTHER },
      "/a.txt?cmd=1&evil=base64_encode(x)",
      "/page",
      "/limited/x",
      { target: "/a.txt", headers: { "User-Agent": "BadBot/1" } },
      "/status",
    ],
    differences: [
      {
        targets: /^\/page$/,
        is: /^200 \/page, here 200 \/page\.php$/,
        why: "The name of a script is the script's, where Apache has the client's path",
      },
      { targets: /^\/a\.txt$/, is: /^403, here 405$/, why: "TRACE is never let in" },
    ],
  },
];
