/** The files for machines in use: units, Compose and Kubernetes, each checked by who reads it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse, parseAllDocuments } from "yaml";
import { AFCGI, Afcgi, runAfcgi } from "../support/afcgi.ts";
import { temporaryDirectory } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

const EXAMPLES = fileURLToPath(new URL("../../examples", import.meta.url));
const KUBERNETES = readdirSync(join(EXAMPLES, "kubernetes"));

function read(name: string): string {
  return readFileSync(join(EXAMPLES, name), "utf8");
}

/** The configuration with places that are the test's own; what asks an authority asks a local one. */
function movedTo(directory: string, text: string): string {
  for (const name of ["www", "run", "log", "store"]) {
    mkdirSync(join(directory, name), { recursive: true });
  }
  return text.replaceAll("/srv/www/public", join(directory, "www"))
    .replaceAll("unix:/run/afcgi/", `unix:${join(directory, "run")}/`)
    .replaceAll("/var/log/afcgi/", `${join(directory, "log")}/`)
    .replaceAll("/var/lib/afcgi", join(directory, "store"))
    .replaceAll("tls: auto", "tls: internal")
    .replaceAll(/":(8080|8443|9181)"/g, "127.0.0.1:0")
    .replaceAll(/127\.0\.0\.1:(9180|9181)/g, "127.0.0.1:0");
}

test("The units are what systemd takes, and expose little", () => {
  const directory = temporaryDirectory();
  cpSync(join(EXAMPLES, "production"), directory, { recursive: true });
  const service = join(directory, "afcgi.service");
  writeFileSync(service, readFileSync(service, "utf8").replace("/usr/local/bin/afcgi", AFCGI));
  const units = ["afcgi.service", "afcgi-http.socket", "afcgi-https.socket"]
    .map((name) => join(directory, name));
  const said = execFileSync("systemd-analyze", ["verify", ...units], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  assert.equal(said.trim(), "");
  const security = execFileSync("systemd-analyze", [
    ...["security", "--offline=yes", "--threshold=20", service],
  ], { encoding: "utf8" });
  assert.match(security, /Overall exposure level/);
});

test("The service's configuration has the sockets of the units, and no error", async () => {
  const directory = temporaryDirectory();
  const text = read("production/afcgi.yaml");
  for (const name of ["http", "https"]) {
    assert.ok(read(`production/afcgi-${name}.socket`).includes(`FileDescriptorName=${name}\n`));
    assert.ok(text.includes(`systemd:${name}`));
  }
  writeFileSync(join(directory, "afcgi.yaml"), movedTo(directory, text));
  const { code, stderr } = await runAfcgi(["check"], { cwd: directory });
  assert.equal(code, 0, stderr);
});

test("Compose finds every file that it names, and afcgi serves by its half", async () => {
  const { services } = parse(read("production/compose.yaml"));
  const files = readdirSync(join(EXAMPLES, "production"));
  for (const { volumes } of Object.values<{ volumes: string[] }>(services)) {
    for (const volume of volumes.filter((one) => one.startsWith("./"))) {
      const name = volume.slice("./".length).split(":")[0]!;
      assert.ok(name === "" || files.includes(name), volume);
    }
  }
  const grace = /grace: (\d+)s/.exec(read("production/compose.afcgi.yaml"))?.[1];
  assert.ok(parseInt(services.afcgi.stop_grace_period, 10) > Number(grace));
  const directory = temporaryDirectory();
  const config = parse(movedTo(directory, read("production/compose.afcgi.yaml")));
  const afcgi = await Afcgi.start({ config });
  const { status } = await httpRequest(afcgi.port, { headers: { Host: "example.com" } });
  // To HTTPS.
  assert.ok(status >= 301 && status <= 308, String(status));
  await afcgi.stop();
});

for (const name of KUBERNETES) {
  const objects = parseAllDocuments(read(`kubernetes/${name}`)).map((each) => each.toJS());

  test(`kubernetes/${name} is what Kubernetes' own schemas allow`, async () => {
    for (const object of objects) {
      const { apiVersion, kind } = object;
      const model = await import(`kubernetes-models/${apiVersion}/${kind}`);
      new model[kind](object).validate();
    }
  });

  test(`kubernetes/${name} holds together, and afcgi serves by its configuration`, async () => {
    const of = (kind: string) => objects.find((object) => object.kind === kind);
    const { metadata, spec } = of("Deployment");
    const { spec: pod, metadata: { labels } } = spec.template;
    assert.deepEqual(spec.selector.matchLabels, labels);
    assert.deepEqual(of("Service").spec.selector, labels);
    const container = pod.containers.find((one: { name: string }) => one.name === "afcgi");
    assert.ok(container.args.includes("--watch"));
    const ports = new Map<string, number>(
      container.ports.map((one: { name: string; containerPort: number }) =>
        [one.name, one.containerPort] as const
      ),
    );
    const text: string = of("ConfigMap").data["afcgi.yaml"];
    const config = parse(text);
    assert.deepEqual(config.admin.health, `:${ports.get("health")}`);
    assert.deepEqual(config.listen, [`:${ports.get("http")}`]);
    assert.match(config.admin.listen, /^unix:/, "who reaches it may reload");
    for (const probe of [container.livenessProbe, container.readinessProbe]) {
      assert.equal(probe.httpGet.port, "health");
    }
    const [delay, grace] = [config.shutdown.delay, config.shutdown.grace].map(parseFloat);
    assert.ok(pod.terminationGracePeriodSeconds > delay! + grace!, metadata.name);
    const moved = parse(movedTo(temporaryDirectory(), text));
    // Nobody watches the endpoints here, who would need time to take this one out.
    moved.shutdown.delay = "100ms";
    const afcgi = await Afcgi.start({ config: moved });
    const line = await afcgi.waitForLog((each) => each["for"] === "health");
    const port = Number(/:(\d+)$/.exec(String(line["address"]))?.[1]);
    const status = async (target: string) =>
      (await httpRequest(port, { target, headers: { Host: "10.0.0.7" } })).status;
    // php-fpm is not there.
    assert.deepEqual([await status("/livez"), await status("/readyz")], [200, 503]);
    assert.equal(await status("/reload"), 404);
    await afcgi.stop();
  });
}
