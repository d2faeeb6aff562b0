/**
 * What docs/recipes.md has for programs behind fcgiwrap and for Plack, as users would start it: git
 * over HTTP is cloned and pushed to, cgit shows a repository, and a cgi-bin runs what lies in it.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Afcgi } from "../support/afcgi.ts";
import type { Child } from "../support/child.ts";
import { missingPeer } from "../support/peers.ts";
import {
  freePlace,
  type Place,
  placeName,
  placeUrl,
  temporaryDirectory,
} from "../support/places.ts";
import { waitForListener } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";
import { startPeer } from "./application.ts";

const CGI = "#!/bin/sh\n" +
  'printf "Content-Type: text/plain\\n\\n%s %s" "$SCRIPT_NAME" "$PATH_INFO"\n';

type Site = Readonly<Record<string, unknown>>;

async function withProgram(
  program: string,
  args: (place: Place, directory: string) => readonly string[],
  site: (directory: string) => Site,
  use: (port: number, directory: string) => Promise<void>,
): Promise<void> {
  const directory = temporaryDirectory();
  const place = await freePlace("unix", directory);
  const child: Child = startPeer(program, args(place, directory));
  try {
    await waitForListener(place);
    const app = { servers: [placeUrl(place)], connections: { max: 4, reuse: false } };
    const afcgi = await Afcgi.start({ config: { upstreams: { app }, sites: [site(directory)] } });
    try {
      await use(afcgi.port, directory);
    } finally {
      await afcgi.stop();
    }
  } finally {
    await child.stop();
  }
}

const fcgiwrap = (place: Place) => ["-c", "5", "-s", `unix:${placeName(place)}`];

function git(directory: string, ...args: readonly string[]): string {
  const env = {
    ...process.env,
    HOME: directory,
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_AUTHOR_NAME: "a",
    GIT_AUTHOR_EMAIL: "a@example.com",
    GIT_COMMITTER_NAME: "a",
    GIT_COMMITTER_EMAIL: "a@example.com",
    GIT_TERMINAL_PROMPT: "0",
  };
  const { status, stdout, stderr } = spawnSync("git", args, { cwd: directory, env });
  assert.equal(status, 0, `git ${args.join(" ")}: ${stderr}`);
  return stdout.toString();
}

test("git is cloned and pushed to over HTTP, and cgit shows what was pushed", {
  skip: missingPeer("fcgiwrap") || missingPeer("git") || missingPeer("cgit"),
}, async () => {
  const site = (directory: string) => ({
    limits: { request_body: "1GiB" },
    routes: [{
      path: "/git/*",
      fastcgi: {
        upstream: "app",
        script_name: "/git",
        params: {
          SCRIPT_FILENAME: "/usr/lib/git-core/git-http-backend",
          GIT_PROJECT_ROOT: join(directory, "git"),
          GIT_HTTP_EXPORT_ALL: "1",
        },
      },
    }, {
      path: "/cgit/*",
      fastcgi: {
        upstream: "app",
        script_name: "/cgit",
        params: {
          SCRIPT_FILENAME: "/usr/lib/cgit/cgit.cgi",
          CGIT_CONFIG: join(directory, "cgitrc"),
        },
      },
    }],
  });
  await withProgram("fcgiwrap", fcgiwrap, site, async (port, directory) => {
    git(directory, "init", "-q", "--bare", "git/a.git");
    git(join(directory, "git/a.git"), "config", "http.receivepack", "true");
    writeFileSync(join(directory, "cgitrc"), `virtual-root=/cgit\nscan-path=${directory}/git\n`);
    git(directory, "clone", "-q", `http://127.0.0.1:${port}/git/a.git`, "one");
    const one = join(directory, "one");
    // Over 1 MiB, which git sends in chunks.
    writeFileSync(join(one, "noise"), crypto.getRandomValues(new Uint8Array(60_000)));
    for (let part = 0; part < 40; part++) {
      writeFileSync(join(one, `n${part}`), crypto.getRandomValues(new Uint8Array(60_000)));
    }
    git(one, "add", ".");
    git(one, "commit", "-qm", "A commit that cgit shows");
    git(one, "push", "-q", "origin", "HEAD:refs/heads/main");
    git(directory, "clone", "-qb", "main", `http://127.0.0.1:${port}/git/a.git`, "two");
    assert.equal(git(join(directory, "two"), "log", "--format=%s"), "A commit that cgit shows\n");
    const { status, body } = await httpRequest(port, { target: "/cgit/a.git/log/?h=main" });
    assert.equal(status, 200);
    assert.ok(body.toString().includes("A commit that cgit shows"));
  });
});

test("A whole cgi-bin runs its programs with PATH_INFO, and no other file", {
  skip: missingPeer("fcgiwrap"),
}, async () => {
  const site = (directory: string) => ({
    root: directory,
    routes: [{
      path: "/cgi-bin/*",
      fastcgi: { upstream: "app", split_path: [".cgi", ".pl"] },
    }],
  });
  await withProgram("fcgiwrap", fcgiwrap, site, async (port, directory) => {
    mkdirSync(join(directory, "cgi-bin"));
    for (
      const [name, mode] of [["a.cgi", 0o755], ["b.pl", 0o755], ["secret.txt", 0o644]] as const
    ) {
      writeFileSync(join(directory, "cgi-bin", name), CGI);
      chmodSync(join(directory, "cgi-bin", name), mode);
    }
    const ask = async (target: string) => {
      const { status, body } = await httpRequest(port, { target });
      return status === 200 ? body.toString() : status;
    };
    assert.equal(await ask("/cgi-bin/a.cgi/x/y"), "/cgi-bin/a.cgi /x/y");
    assert.equal(await ask("/cgi-bin/b.pl"), "/cgi-bin/b.pl ");
    for (const name of ["secret.txt", "secret.txt/x.cgi", "none.cgi"]) {
      assert.ok(Number(await ask(`/cgi-bin/${name}`)) >= 400, name);
    }
  });
});

test("A script_name runs its one program, whatever is behind it", {
  skip: missingPeer("fcgiwrap"),
}, async () => {
  const site = (directory: string) => ({
    root: directory,
    routes: [{ path: "/a.cgi/*", fastcgi: { upstream: "app", script_name: "/a.cgi" } }],
  });
  await withProgram("fcgiwrap", fcgiwrap, site, async (port, directory) => {
    writeFileSync(join(directory, "a.cgi"), CGI);
    chmodSync(join(directory, "a.cgi"), 0o755);
    const { body } = await httpRequest(port, { target: "/a.cgi/x/y.cgi" });
    assert.equal(body.toString(), "/a.cgi /x/y.cgi");
  });
});

test("Plack's FCGI handler answers", { skip: missingPeer("plack") }, async () => {
  const app = 'sub { my $e = shift; [200, ["Content-Type", "text/plain"], ["$e->{PATH_INFO}"]] }';
  await withProgram(
    "plackup",
    (place) => ["-s", "FCGI", "--listen", placeName(place), "--nproc", "2", "-e", app],
    () => ({ routes: [{ path: "/p/*", fastcgi: { upstream: "app", script_name: "/p" } }] }),
    async (port) => {
      const { body } = await httpRequest(port, { target: "/p/a/b" });
      assert.equal(body.toString(), "/a/b");
    },
  );
});
