/** Caddy: Go with one processor. Its FastCGI transport opens a connection for each request. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Contender, type ProxySetup, tlsFiles } from "./contender.ts";

export const caddy: Contender = {
  name: "caddy",
  title: "Caddy",
  peer: "caddy",
  servesFiles: true,
  command(setup) {
    const config = join(setup.directory, "Caddyfile");
    writeFileSync(config, configText(setup));
    return {
      program: "caddy",
      args: ["run", "--config", config, "--adapter", "caddyfile"],
      // All that it would keep below the user's home.
      env: {
        GOMAXPROCS: "1",
        HOME: setup.directory,
        XDG_DATA_HOME: setup.directory,
        XDG_CONFIG_HOME: setup.directory,
      },
    };
  },
};

function configText(setup: ProxySetup): string {
  const { accessLog, port } = setup;
  const log = accessLog === undefined ? "" : `log {\n    output file ${accessLog}\n  }`;
  return `
{
  admin off
  auto_https off
  grace_period 1s
  servers {
    protocols h1 h2 h2c
  }
  log {
    level ERROR
  }
}
${setup.isTls ? "https" : "http"}://127.0.0.1:${port} {
  bind 127.0.0.1
  ${tls(setup)}
  ${log}
  root * ${setup.root}
  ${handler(setup)}
}
`;
}

function tls(setup: ProxySetup): string {
  if (!setup.isTls) return "";
  const { cert, key } = tlsFiles(setup);
  return `tls ${cert} ${key}`;
}

function handler({ application, root }: ProxySetup): string {
  if (application === undefined) return "file_server";
  return `reverse_proxy unix/${application.place.path} {
    transport fastcgi {
      root ${root}
      ${application.root === undefined ? "" : "split .php"}
    }
  }`;
}
