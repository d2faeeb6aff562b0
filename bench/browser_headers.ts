/** What a browser sends for a page of an application that it is logged in to: about 1.5 kB. */
export const BROWSER_HEADERS = {
  "User-Agent":
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  "Accept-Language": "en-GB,en;q=0.9,de-DE;q=0.8,de;q=0.7",
  "Accept-Encoding": "gzip, deflate, br, zstd",
  "Cache-Control": "max-age=0",
  "Referer": "https://www.example.com/articles?category=protocols&order=newest&page=1",
  "Upgrade-Insecure-Requests": "1",
  "Sec-Fetch-Dest": "document",
  "Sec-Fetch-Mode": "navigate",
  "Sec-Fetch-Site": "same-origin",
  "Sec-Fetch-User": "?1",
  "If-None-Match": 'W/"5f3a1c2b-8d40"',
  "Cookie": `session=${"0123456789abcdef".repeat(16)}; preferences=${"theme.dark.".repeat(16)}; ` +
    `visitor=${"fedcba9876543210".repeat(8)}`,
};
