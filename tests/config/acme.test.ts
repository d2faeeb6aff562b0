import { test } from "node:test";
import assert from "node:assert/strict";
import { loadConfig } from "../../src/config/load_config.ts";
import { readConfig } from "../../src/config/read_config.ts";
import { memoryFiles } from "./memory_files.ts";

const files = memoryFiles({ "/etc/ca.pem": "PEM", "/www/index.php": "<?php" });

function read(text: string) {
  return readConfig(`${text}\n`, {
    source: "a.yaml",
    directory: "/etc",
    files,
    readVariable: () => undefined,
    rootGiven: false,
  });
}

const LISTEN = 'listen: [":80", { address: ":443", tls: {} }]\n';
const site = (hosts: string) =>
  `${LISTEN}sites: [{ hosts: [${hosts}], tls: auto, routes: [{ respond: { status: 200 } }] }]\n`;

test("acme says all that an authority is told", () => {
  const { options, errors } = read(`${site("example.com")}acme:
  directory: https://acme.example/directory
  email: ops@example.com
  ca: ca.pem
  eab: { key_id: kid-1, hmac_key: c2VjcmV0 }
  challenges: [http-01]
  profile: shortlived
  on_demand: { ask: "http://127.0.0.1:9000/may", rate: 5/h }
`);
  assert.deepEqual(errors, []);
  assert.deepEqual(options!.acme, {
    directory: "https://acme.example/directory",
    email: "ops@example.com",
    ca: "/etc/ca.pem",
    eab: { keyId: "kid-1", hmacKey: "c2VjcmV0" },
    challenges: ["http-01"],
    profile: "shortlived",
    onDemand: { ask: "http://127.0.0.1:9000/may", rateCount: 5, ratePeriodMs: 3_600_000 },
  });
});

for (
  const [text, place, message] of [
    ["directory: http://acme.example/directory", "4:20", /https URL/],
    ["directory: https://user:word@acme.example/directory", "4:20", /https URL/],
    ["directory: acme.example", "4:20", /https URL/],
    ["email: 'a@b, c@d'", "4:9", /use one address/],
    ["email: ops", "4:16", /use one address/],
    ["ca: none.pem", "4:13", /There is no file "\/etc\/none\.pem"/],
    ['eab: { key_id: "", hmac_key: c2VjcmV0 }', "4:24", /use the key's id/],
    ['eab: { key_id: a, hmac_key: "no base64" }', "4:37", /use the key in base64/],
    ["eab: { key_id: a }", "4:14", /hmac_key/],
    ["challenges: [dns-01]", "4:22", /tls-alpn-01 or http-01/],
    ["challenges: []", "4:21", /put at least one in it/],
    ["challenges: [http-01, http-01]", "4:21", /twice/],
    ["profile: a b", "4:18", /use a profile's name/],
    ["on_demand: { ask: example }", "4:27", /use a URL/],
    ["on_demand: { ask: file:///etc/passwd }", "4:27", /use a URL/],
    ["on_demand: { ask: http://a/, rate: often }", "4:44", /use a number and a unit/],
    ["on_demand: { rate: 1/m }", "4:20", /ask/],
  ] as const
) {
  test(`acme with "${text}" is told with its place`, () => {
    const { errors } = read(`${site("example.com")}\nacme: { ${text} }`);
    assert.match(errors.map((one) => one.message).join("\n"), message);
    assert.equal(errors[0]!.place?.line, Number(place.split(":")[0]));
  });
}

for (
  const [hosts, message] of [
    ['"*.example.com"', /needs the challenge dns-01/],
    ["192.0.2.1", /no certificates for addresses/],
    ['"[2001:db8::1]"', /no certificates for addresses/],
    ["localhost", /No public authority certifies "localhost" \(use tls: internal\)/],
    ["app.test", /use tls: internal/],
    ["nas.local", /use tls: internal/],
    ["intranet", /use tls: internal/],
  ] as const
) {
  test(`tls: auto for ${hosts} is told with its place`, () => {
    const { errors } = read(site(`example.com, ${hosts}`));
    assert.deepEqual(errors.map(({ place }) => place?.line), [2]);
    assert.match(errors[0]!.message, message);
  });
}

test("A private authority may certify private names", () => {
  const { errors } = read(
    `${site("intranet, app.test")}acme: { directory: https://ca.internal/dir }`,
  );
  assert.deepEqual(errors, []);
});

test("A site without names wants on_demand, and on_demand wants a site", () => {
  const nameless = `${LISTEN}sites: [{ tls: auto, routes: [{ respond: { status: 200 } }] }]\n`;
  assert.match(read(nameless).errors[0]!.message, /tls: auto wants names/);
  const acme = "acme: { on_demand: { ask: http://127.0.0.1/ } }\n";
  assert.deepEqual(read(nameless + acme).errors, []);
  assert.deepEqual(read(site('"*.example.com"') + acme).errors, []);
  const none = `sites: [{ routes: [{ respond: { status: 200 } }] }]\n${acme}`;
  assert.match(read(none).errors[0]!.message, /on_demand serves nobody/);
});

function load(flags: Record<string, string | string[]>, env: Record<string, string> = {}) {
  return loadConfig(flags, { files, cwd: "/", readVariable: (name) => env[name] });
}

test("--domain makes a site on the ports of the web, with certificates by themselves", async () => {
  const { options } = await load({
    spawn: "php-fpm",
    root: "/www",
    domain: ["Example.com", "www.example.com."],
    acmeEmail: "ops@example.com",
  });
  assert.deepEqual(
    options.listen.map(({ address, tls }) => [address.transport === "tcp" && address.port, tls]),
    [[80, undefined], [443, {}]],
  );
  const [only] = options.sites;
  assert.deepEqual(only!.hosts, ["example.com", "www.example.com"]);
  assert.deepEqual([only!.tls, only!.https], [{ kind: "auto" }, "redirect"]);
  assert.equal(options.acme!.email, "ops@example.com");
  assert.equal(options.acme!.directory, "https://acme-v02.api.letsencrypt.org/directory");
});

test("The variables say the same, and ports that end in 443 speak TLS", async () => {
  const { options } = await load({ listen: ["127.0.0.1:8080", "127.0.0.1:8443"] }, {
    AFCGI_UPSTREAM: "tcp://127.0.0.1:9000",
    AFCGI_DOMAIN: "a.example.com b.example.com",
    AFCGI_ACME_DIRECTORY: "https://localhost:14000/dir",
    AFCGI_ACME_CA: "etc/ca.pem",
  });
  assert.deepEqual(options.sites[0]!.hosts, ["a.example.com", "b.example.com"]);
  assert.deepEqual(options.listen.map(({ tls }) => tls), [undefined, {}]);
  assert.equal(options.acme!.directory, "https://localhost:14000/dir");
  assert.equal(options.acme!.stagingDirectory, undefined);
  assert.equal(options.acme!.ca, "/etc/ca.pem");
});

for (
  const [flag, value, message] of [
    ["domain", "*.example.com", /dns-01/],
    ["domain", "example.com:443", /use a name without port/],
    ["domain", "https://example.com", /use a name without port/],
    ["acmeEmail", "ops", /use one address/],
    ["acmeDirectory", "http://acme.example", /https URL/],
  ] as const
) {
  test(`${flag} "${value}" is told`, async () => {
    await assert.rejects(load({ upstream: ["tcp://127.0.0.1:1"], [flag]: value }), message);
  });
}
