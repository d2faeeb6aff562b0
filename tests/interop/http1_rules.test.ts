/**
 * What HTTP/1.1 leaves to be judged, judged by afcgi, nginx and HAProxy: the same bytes to each. Where
 * the two agree afcgi does as they do, or is stricter for a reason that stands here.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Afcgi } from "../support/afcgi.ts";
import type { Child } from "../support/child.ts";
import { missingPeer } from "../support/peers.ts";
import { freePort, temporaryDirectory, waitForListener } from "../support/places.ts";
import { startPeer } from "./application.ts";

const skip = missingPeer("nginx") || missingPeer("haproxy");

/** For a server that waits for more. */
const PATIENCE_MS = 1_000;
const HOST = "Host: x\r\n";
const END = `${HOST}Connection: close\r\n\r\n`;
const CHUNKED = `POST / HTTP/1.1\r\n${HOST}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n`;

type Verdict = "taken" | "refused" | "waits";

/** `afcgi` is its verdict; `why` says why it is not that of the two others, where they agree. */
const RULES: Record<string, { bytes: string; afcgi: Verdict; why?: string }> = {
  "a plain request": { bytes: `GET / HTTP/1.1\r\n${END}`, afcgi: "taken" },
  "bare LF everywhere": {
    bytes: "GET / HTTP/1.1\nHost: x\nConnection: close\n\n",
    afcgi: "refused",
    why: "RFC 9112 2.2 only allows it, and two servers that differ can be played off",
  },
  "bare LF after one field": {
    bytes: `GET / HTTP/1.1\r\n${HOST}A: b\nConnection: close\r\n\r\n`,
    afcgi: "refused",
    why: "RFC 9112 2.2 only allows it, and two servers that differ can be played off",
  },
  "HTTP/1.0 with bare LF": {
    bytes: "GET / HTTP/1.0\n\n",
    afcgi: "refused",
    why: "RFC 9112 2.2 only allows it, and two servers that differ can be played off",
  },
  "OPTIONS *": { bytes: `OPTIONS * HTTP/1.1\r\n${END}`, afcgi: "taken" },
  "OPTIONS * of HTTP/1.0": { bytes: "OPTIONS * HTTP/1.0\r\n\r\n", afcgi: "taken" },
  "GET *": { bytes: `GET * HTTP/1.1\r\n${END}`, afcgi: "refused" },
  "the absolute form": { bytes: `GET http://x/ HTTP/1.1\r\n${END}`, afcgi: "taken" },
  "the absolute form with a default port": {
    bytes: `GET http://x:80/ HTTP/1.1\r\n${END}`,
    afcgi: "taken",
  },
  "the absolute form without a path": { bytes: `GET http://x HTTP/1.1\r\n${END}`, afcgi: "taken" },
  "the absolute form with a query alone": {
    bytes: `GET http://x?a=/b HTTP/1.1\r\n${END}`,
    afcgi: "taken",
  },
  "the absolute form without Host in HTTP/1.0": {
    bytes: "GET http://x/ HTTP/1.0\r\n\r\n",
    afcgi: "taken",
  },
  "raw UTF-8 in a target": { bytes: `GET /?q=\xc3\xa9 HTTP/1.1\r\n${END}`, afcgi: "taken" },
  "no Host": { bytes: "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", afcgi: "refused" },
  "no Host in HTTP/1.0": { bytes: "GET / HTTP/1.0\r\n\r\n", afcgi: "taken" },
  "two Host": { bytes: `GET / HTTP/1.1\r\nHost: y\r\n${END}`, afcgi: "refused" },
  "a blank before the colon": { bytes: `GET / HTTP/1.1\r\nA : b\r\n${END}`, afcgi: "refused" },
  "a folded field": { bytes: `GET / HTTP/1.1\r\nA: b\r\n c\r\n${END}`, afcgi: "refused" },
  "a NUL in a field": { bytes: `GET / HTTP/1.1\r\nA: b\0c\r\n${END}`, afcgi: "refused" },
  "a bare CR in a field": { bytes: `GET / HTTP/1.1\r\nA: b\rc\r\n${END}`, afcgi: "refused" },
  "HTTP/2.0 in text": { bytes: `GET / HTTP/2.0\r\n${END}`, afcgi: "refused" },
  "a version that is none": { bytes: `GET / HTTP/1.x\r\n${END}`, afcgi: "refused" },
  "two lengths that differ": {
    bytes: `POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n${END}ab`,
    afcgi: "refused",
  },
  "a length with a sign": {
    bytes: `POST / HTTP/1.1\r\nContent-Length: +1\r\n${END}a`,
    afcgi: "refused",
  },
  "a length and chunks": {
    bytes: `POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n${END}0\r\n\r\n`,
    afcgi: "refused",
    why: "RFC 9112 6.1: who forwards it may be smuggling",
  },
  "a coding that nobody knows": {
    bytes: `POST / HTTP/1.1\r\nTransfer-Encoding: x\r\n${END}0\r\n\r\n`,
    afcgi: "refused",
  },
  "chunks": { bytes: `${CHUNKED}1\r\na\r\n0\r\n\r\n`, afcgi: "taken" },
  "a chunk extension": { bytes: `${CHUNKED}1;a=b\r\na\r\n0\r\n\r\n`, afcgi: "taken" },
  "an empty chunk extension": {
    bytes: `${CHUNKED}1;\r\na\r\n0\r\n\r\n`,
    afcgi: "refused",
    why: "RFC 9112 7.1.1 wants a name",
  },
  "a chunk extension with an open quote": {
    bytes: `${CHUNKED}1;a="b\r\na\r\n0\r\n\r\n`,
    afcgi: "refused",
    why: "RFC 9112 7.1.1",
  },
  "a chunk size that is none": { bytes: `${CHUNKED}0x1\r\na\r\n0\r\n\r\n`, afcgi: "refused" },
  "a chunk of another length": { bytes: `${CHUNKED}1\r\nab\r\n0\r\n\r\n`, afcgi: "refused" },
  "a trailer": { bytes: `${CHUNKED}1\r\na\r\n0\r\nA: b\r\n\r\n`, afcgi: "taken" },
  "a trailer that is no field": {
    bytes: `${CHUNKED}1\r\na\r\n0\r\nnone\r\n\r\n`,
    afcgi: "refused",
    why: "RFC 9112 7.1.2",
  },
  "two blanks behind the method": {
    bytes: `GET  / HTTP/1.1\r\n${END}`,
    afcgi: "refused",
    why: "RFC 9112 3: one, and who splits at another place reads another target",
  },
  "an empty line before": { bytes: `\r\nGET / HTTP/1.1\r\n${END}`, afcgi: "taken" },
  "TLS on a plain port": {
    bytes: "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03",
    afcgi: "refused",
  },
  "HTTP/0.9": { bytes: "GET /\r\n", afcgi: "refused" },
};

const NGINX = (port: number, directory: string, behind: number) =>
  `daemon off; pid ${directory}/nginx.pid; error_log ${directory}/error.log;
events {}
http { access_log off; client_body_temp_path ${directory}/b; proxy_temp_path ${directory}/p;
  fastcgi_temp_path ${directory}/f; uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
  server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${behind}; } } }
`;

const HAPROXY = (port: number, behind: number) =>
  `defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend f
  bind 127.0.0.1:${port}
  default_backend b
backend b
  server s 127.0.0.1:${behind}
`;

const ports: Record<string, number> = {};
const children: Child[] = [];
let afcgi: Afcgi;

before(async () => {
  if (skip) return;
  const directory = temporaryDirectory();
  const sites = [{ routes: [{ respond: { status: 200, body: "fine" } }] }];
  afcgi = await Afcgi.start({ config: { sites } });
  ports["afcgi"] = afcgi.port;
  // The two pass on what they take to afcgi, so a body is read to its end.
  for (const name of ["nginx", "haproxy"]) {
    const port = await freePort();
    const path = join(directory, `${name}.conf`);
    const text = name === "nginx" ? NGINX(port, directory, afcgi.port) : HAPROXY(port, afcgi.port);
    writeFileSync(path, text);
    children.push(
      startPeer(name, name === "nginx" ? ["-p", directory, "-c", path] : ["-db", "-f", path]),
    );
    await waitForListener({ network: "tcp", host: "127.0.0.1", port });
    ports[name] = port;
  }
});

after(async () => {
  for (const child of children) await child.stop();
  await afcgi?.stop();
});

function verdict(port: number, bytes: string): Promise<Verdict> {
  const { promise, resolve } = Promise.withResolvers<Verdict>();
  const socket = connect(port, "127.0.0.1");
  const timer = setTimeout(() => end("waits"), PATIENCE_MS);
  const end = (what: Verdict) => {
    clearTimeout(timer);
    socket.destroy();
    resolve(what);
  };
  socket.on("connect", () => socket.write(bytes, "latin1"));
  socket.on("data", (piece: Buffer) => {
    const status = /^HTTP\/1\.\d (\d)/.exec(piece.toString("latin1"))?.[1];
    // nginx answers HTTP/0.9 with a body alone.
    end(status === undefined ? "taken" : status === "2" ? "taken" : "refused");
  });
  socket.on("end", () => end("refused"));
  socket.on("error", () => end("refused"));
  return promise;
}

for (const [name, { bytes, afcgi: expected, why }] of Object.entries(RULES)) {
  test(`afcgi judges ${name} as nginx and HAProxy do, or with a reason`, { skip }, async () => {
    const [ours, nginx, haproxy] = await Promise.all(
      ["afcgi", "nginx", "haproxy"].map((server) => verdict(ports[server]!, bytes)),
    );
    assert.equal(ours, expected);
    if (nginx === haproxy && why === undefined) assert.equal(ours, nginx, "the others agree");
  });
}
