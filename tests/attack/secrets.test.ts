/** What `check` and `explain` print is pasted into tickets: it has no passwords in it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runCommand } from "../cli/run_program.ts";

const SECRET = "tops3cret-value";
const env = { SECRET, PLACE: "/srv/place", PORT: "99999" };

async function run(command: string, file: string) {
  const tree = { "/etc/afcgi/afcgi.yaml": file };
  const { stdout, stderr, status } = await runCommand(command, { tree, env });
  return { text: stdout + stderr, status };
}

const WRONG: Record<string, string> = {
  "a user's password of a wrong kind": `
sites: [{ basic_auth: { users: { anna: [${SECRET}] } }, routes: [{ respond: {} }] }]`,
  "a password in the place of the users": `
sites: [{ basic_auth: { users: "anna:${SECRET}" }, routes: [{ respond: {} }] }]`,
  "a password in the place of all": `
sites: [{ basic_auth: "anna:${SECRET}", routes: [{ respond: {} }] }]`,
  "a password in a name": `
sites: [{ basic_auth: { users: { "anna:${SECRET}": x } }, routes: [{ respond: {} }] }]`,
  "an address from the environment": `
upstreams: { app: { servers: ["http://\${env.SECRET}/"] } }
sites: [{ routes: [{ fastcgi: { upstream: app } }] }]`,
  "a size from the environment": `
limits: { spill: "\${env.SECRET}" }
sites: [{ routes: [{ respond: {} }] }]`,
  "an upstream's name from the environment": `
sites: [{ routes: [{ fastcgi: { upstream: "\${env.SECRET}" } }] }]`,
  "a word from the environment": `
log: { level: "\${env.SECRET}" }
sites: [{ routes: [{ respond: {} }] }]`,
  "a network from the environment": `
sites: [{ trusted_proxies: ["\${env.SECRET}"], routes: [{ respond: {} }] }]`,
  "a password that is a tag": `
sites: [{ basic_auth: { users: { anna: !${SECRET} } }, routes: [{ respond: {} }] }]`,
  "a password that is a tag, in a block": `
sites:
  - basic_auth:
      users:
        anna: !${SECRET} x`,
  "a password that is a tag of another kind": `
sites: [{ basic_auth: { users: { anna: !a!${SECRET} } }, routes: [{ respond: {} }] }]`,
  "a password that is a verbatim tag": `
sites: [{ basic_auth: { users: { anna: !<${SECRET}> } }, routes: [{ respond: {} }] }]`,
  "a parameter that is a tag": `
sites: [{ params: { DB_PASSWORD: !${SECRET} }, routes: [{ respond: {} }] }]`,
  "a password that is an alias": `
sites: [{ basic_auth: { users: { anna: *${SECRET} } }, routes: [{ respond: {} }] }]`,
  "a password that begins a block": `
sites:
  - basic_auth:
      users:
        anna: |${SECRET}
        otto: x`,
  "a password with a folded mark": `
x: >${SECRET}`,
  "a password with a percent sign": `
%${SECRET}
sites: []`,
  "a password with a strange escape": `
sites: [{ basic_auth: { users: { anna: "\\xs3cret-value" } }, routes: [] }]`,
  "a password with an at sign": `
sites: [{ basic_auth: { users: { anna: @${SECRET} } }, routes: [{ respond: {} }] }]`,
  "a password with a quote in it": `
sites: [{ basic_auth: { users: { anna: "x"${SECRET} } }, routes: [{ respond: {} }] }]`,
  "a password as a key that is there twice": `
sites: [{ basic_auth: { users: { "anna:${SECRET}": x, "anna:${SECRET}": y } }, routes: [] }]`,
  "a password with a reference that is none": `
sites: [{ basic_auth: { users: { anna: "\${env.${SECRET}}" } }, routes: [{ respond: {} }] }]`,
  "a password without its colon": `
sites:
  - basic_auth:
      users:
        anna ${SECRET}
        otto: x`,
  "a template from the environment": `
sites: [{ routes: [{ redirect: { to: "\${env.SECRET}\${x" } }] }]`,
};

test("No error repeats a password or what a variable holds, unless it is asked to", async () => {
  for (const [name, file] of Object.entries(WRONG)) {
    const { text, status } = await run("check", file);
    assert.equal(status, 2, name);
    assert.ok(!text.includes("s3cret"), `${name}: ${text}`);
  }
  const asked = await run("check --show-secrets", WRONG["a size from the environment"]!);
  assert.ok(asked.text.includes("\${env.SECRET}") || asked.text.includes(SECRET));
});

const RUNNING = `
upstreams: { app: { servers: [app.example] } }
sites:
  - hosts: [shop.example]
    params: { DB: "\${env.SECRET}", WHERE: "in \${env.PLACE}", API_TOKEN: written, HOST: plain }
    routes: [{ fastcgi: { upstream: app } }]
`;

test("explain shows where a value comes from in its place", async () => {
  for (const flag of ["", "--json "]) {
    const { text, status } = await run(`explain ${flag}/x`, RUNNING);
    assert.equal(status, 0, text);
    assert.ok(!text.includes(SECRET) && !text.includes("written"), text);
    assert.ok(text.includes("\${env.SECRET}") && text.includes("in \${env.PLACE}"), text);
    assert.ok(text.includes("plain"));
    const shown = await run(`explain ${flag}--show-secrets /x`, RUNNING);
    assert.ok(shown.text.includes(SECRET) && shown.text.includes("written"));
  }
});

test("A short value from the environment is not shown either", async () => {
  const short = { ...env, SECRET: "q7" };
  const config = RUNNING.replace("in \${env.PLACE}", "in \${env.SECRET} there");
  for (const flag of ["", "--json "]) {
    const tree = { "/etc/afcgi/afcgi.yaml": config };
    const { stdout } = await runCommand(`explain ${flag}/x`, { tree, env: short });
    assert.ok(stdout.includes("\${env.SECRET}") && !stdout.includes("q7"), stdout);
  }
  for (const name of ["an address", "a size", "a word", "a network", "a template"]) {
    const tree = { "/etc/afcgi/afcgi.yaml": WRONG[`${name} from the environment`]! };
    const { stderr, status } = await runCommand("check", { tree, env: short });
    assert.ok(status === 2 && !stderr.includes("q7"), stderr);
  }
});

test("A path is explained for the first site's own host", async () => {
  const { text } = await run("explain /x", RUNNING);
  assert.match(text, /^GET http:\/\/shop\.example\/x\n/);
  const wild = await run("explain /x", RUNNING.replace("shop.example", '"*.shop.example"'));
  assert.match(wild.text, /site 1: \*\.shop\.example/);
});

test("A variable of ours that nobody reads is told with the nearest name", async () => {
  const tree = { "/etc/afcgi/afcgi.yaml": RUNNING };
  const others = { AFCGI_TEST_LONG: "1", AFCGI_SERVICE_HOST: "10.0.0.1", AFCGI_PORT_80_TCP: "x" };
  const { status, stdout } = await runCommand("check", {
    tree,
    env: { ...env, ...others, AFCGI_LISTN: ":1" },
  });
  assert.equal(status, 0);
  assert.match(stdout, /^Variable AFCGI_LISTN is no setting .*AFCGI_LISTEN/m);
  for (const name of Object.keys(others)) assert.ok(!stdout.includes(name), name);
});

test("What is sent along with a request to explain is as secret as what the file says", async () => {
  const file = `
upstreams: { app: { servers: ["127.0.0.1:9000"] } }
sites: [{ routes: [{ fastcgi: { upstream: app } }] }]`;
  // Proxy-Authorization is the gateway's own and goes no further.
  const names = ["Authorization", "Cookie", "X-Api-Key", "X-Auth-Token", "x-csrf-secret"];
  for (const field of names) {
    const header = `--header ${field}:${SECRET}`;
    for (const form of ["", "--json "]) {
      const { text } = await run(`explain ${form}${header} /x`, file);
      assert.match(text, /HTTP_/, field);
      assert.ok(!text.includes(SECRET), `${field}: ${text}`);
    }
    const asked = await run(`explain --show-secrets ${header} /x`, file);
    assert.ok(asked.text.includes(SECRET), field);
  }
});
