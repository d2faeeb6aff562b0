/**
 * The applications of `nginx_configs.test.ts`: the files that each has, what else is asked, what the
 * import says, and which responses differ from nginx's, with the reason.
 */

export interface ConfiguredApplication {
  readonly name: string;
  /** Below the root of its configuration. */
  readonly files: readonly string[];
  /** Beside what is made of the files. */
  readonly requests: readonly string[];
  /** Requests with a body of so many bytes. */
  readonly bodies?: readonly (readonly [target: string, bytes: number])[];
  /** The lines on standard error. */
  readonly told: readonly string[];
  /** Each is met at least once. */
  readonly differences: readonly Difference[];
}

export interface Difference {
  readonly targets: RegExp;
  /** Both responses, as `404, here 200 /index.php`. */
  readonly is: RegExp;
  readonly why: string;
}

/** Where any of the configurations gives reason. */
export const EVERYWHERE: readonly Difference[] = [
  {
    targets: /^[^?]*[^/]$/,
    is: /^to its slash, here 403$/,
    why: "The pattern of a closed directory takes the directory itself as well",
  },
  {
    targets: /\.(?:PHP|php)(?:\?|\/|$)/,
    is: /^(?:200|404), here 403$/,
    why: "A name that could be a script's is refused; nginx shows its source where nothing runs it",
  },
];

export const APPLICATIONS: readonly ConfiguredApplication[] = [
  {
    name: "wordpress",
    files: [
      "index.php",
      "wp-login.php",
      "wp-admin/index.php",
      "wp-admin/css/a.css",
      "wp-content/uploads/x.php",
      "wp-content/uploads/p.png",
      "wp-content/uploads/gallery/index.php",
      "xmlrpc.php",
      "readme.html",
      ".git/config",
      ".well-known/acme",
    ],
    requests: ["/a-post/?q=1&b=2", "/robots.txt", "/favicon.ico", "/wp-admin/css/A.CSS"],
    bodies: [["/a-post/", 2_000_000], ["/a-post/", 17_000_000], ["/index.php", 17_000_000]],
    told: [],
    differences: [
      {
        targets: /^\/xmlrpc\.php\//,
        is: /, here 403$/,
        why: "Of a script that is closed, the paths below are closed, too",
      },
    ],
  },
  {
    name: "laravel",
    files: ["index.php", "other.php", "css/a.css", ".env", ".well-known/acme"],
    requests: ["/orders/7?page=2", "/favicon.ico", "/index.php/orders/7?page=2"],
    told: [],
    differences: [
      {
        targets: /^\/favicon\.ico$/,
        is: /^404, here 200 \/index\.php$/,
        why: "A page that is a script says the status itself",
      },
      {
        targets: /^\/index\.php\//,
        is: /^200 \/index\.php\/.*, here 200 \/index\.php$/,
        why: "Without fastcgi_split_path_info nginx leaves PATH_INFO to PHP's guess",
      },
    ],
  },
  {
    name: "symfony",
    files: ["index.php", "other.php", "bundles/a.js"],
    requests: ["/orders/7?page=2", "/a%20b"],
    bodies: [["/orders", 900_000], ["/orders", 1_100_000]],
    told: [],
    differences: [],
  },
  {
    name: "drupal",
    files: [
      "index.php",
      "core/install.php",
      "core/misc/a.js",
      "modules/a/a.module",
      "sites/default/files/a.png",
      "sites/default/files/x.php",
      "sites/default/private/a.txt",
      "vendor/a/x.php",
      "files/styles/a.png",
      ".htaccess",
      "robots.txt",
    ],
    requests: ["/node/1?page=2", "/files/styles/b.png?itok=1", "/favicon.ico"],
    told: [],
    differences: [
      {
        targets: /^\/vendor\/a\/x\.php\//,
        is: /^200 .*, here 403$/,
        why: "A directory whose scripts are closed is closed for paths behind their names, too",
      },
    ],
  },
  {
    name: "nextcloud",
    files: [
      "index.php",
      "remote.php",
      "status.php",
      "ocs/v1.php",
      "occ",
      "console.php",
      "config/config.php",
      "data/a.txt",
      "lib/base.php",
      "apps/files/a.css",
      "core/img/a.svg",
    ],
    requests: [
      "/.well-known/carddav",
      "/remote.php/dav/files/a%20b.txt",
      "/apps/files/?dir=/x",
      "/old/place",
      "/configuration",
      "/library/x",
      "/occ/x",
    ],
    told: [],
    differences: [],
  },
  {
    name: "phpmyadmin",
    files: [
      "phpmyadmin/index.php",
      "phpmyadmin/js/a.js",
      "phpmyadmin/libraries/x.php",
      "phpmyadmin/libraries/a.txt",
      "phpmyadmin/setup/index.php",
      "closed/a.txt",
      "panel/a.txt",
      "panel.php",
      "x.php",
      "index.html",
    ],
    requests: ["/phpmyadmin/?db=a", "/panel/users"],
    told: [],
    differences: [],
  },
  {
    name: "mediawiki",
    files: [
      "w/index.php",
      "w/api.php",
      "w/rest.php",
      "w/LocalSettings.php",
      "w/includes/a.txt",
      "w/skins/a/a.css",
      "w/resources/a.png",
      "w/images/a.png",
      "w/images/x.php",
      "w/images/deleted/a.png",
      ".git/config",
    ],
    requests: [
      "/wiki/Main_Page",
      "/wiki/A/B?action=edit",
      "/wiki/x.php",
      "/wiki/.git/config",
      "/wiki/A/.hidden",
      "/robots.txt",
    ],
    bodies: [
      ["/w/api.php", 90_000],
      ["/w/api.php", 2_000_000],
      ["/w/api.php", 6_000_000],
      ["/w/rest.php/v1/x", 90_000],
      ["/w/rest.php/v1/x", 200_000],
      ["/wiki/A", 2_000_000],
      ["/wiki/A", 6_000_000],
    ],
    told: [],
    differences: [
      {
        targets: /^\/w$/,
        is: /^302 \/wiki\/Main_Page, here 403$/,
        why: "The pattern of a closed directory takes the directory itself as well",
      },
    ],
  },
  {
    name: "matomo",
    files: [
      "index.php",
      "matomo.php",
      "js/index.php",
      "js/a.js",
      "config/config.ini.php",
      "config/global.txt",
      "tmp/a.txt",
      "core/a.php",
      "plugins/a/a.png",
      "plugins/a/a.txt",
      "libs/a.txt",
      "LEGALNOTICE",
      ".htaccess",
    ],
    requests: ["/matomo.php?idsite=1", "/language", "/configuration.png"],
    told: [],
    differences: [],
  },
  {
    name: "joomla",
    files: [
      "index.php",
      "index.html",
      "404.html",
      "administrator/index.php",
      "api/index.php",
      "images/x.php",
      "images/index.php",
      "images/a.png",
      "images/x.sh",
      "media/index.html",
      "docs/index.html",
      "docs/team.php",
      "a.pdf",
    ],
    requests: [
      "/api/v1/x?y=1",
      "/component/x",
      "/missing.pdf",
      "/docs/team",
      "/docs/team?page=2",
      "/docs/team/",
      "/docs/nobody",
    ],
    told: [],
    differences: [],
  },
  {
    name: "magento",
    files: [
      "index.php",
      "get.php",
      "static.php",
      "health_check.php",
      "cron.php",
      "setup/index.php",
      "static/a.css",
      "media/a.png",
      "media/customer/a.png",
      "media/theme_customization/a.xml",
      "media/x.phtml",
    ],
    requests: ["/static/version1/b.css", "/media/missing.png?w=1", "/catalog/x?y=1"],
    told: [],
    differences: [],
  },
];
