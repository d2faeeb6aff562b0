/**
 * Every command by its name, and how it is loaded: a process runs one of them, and the modules of the
 * others would be most of its start.
 */
import type { CommandDefinition } from "./command.ts";

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandDefinition>;
}

/** In the order of the help. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "serve",
    summary: "serve HTTP, from a configuration file or from flags alone",
    load: async () => (await import("./serve.ts")).serveCommand,
  },
  {
    name: "demo",
    summary: "run a built-in FastCGI application with afcgi in front of it",
    load: async () => (await import("./demo.ts")).demoCommand,
  },
  {
    name: "responder",
    summary: "run the built-in FastCGI application alone",
    load: async () => (await import("./responder.ts")).responderCommand,
  },
  {
    name: "probe",
    summary: "ask a FastCGI application, or an HTTP server, what it supports",
    load: async () => (await import("./probe.ts")).probeCommand,
  },
  {
    name: "request",
    summary: "send one request to a FastCGI application, or to a gemini:// URL",
    load: async () => (await import("./request.ts")).requestCommand,
  },
  {
    name: "explain",
    summary: "show how a URL is routed, and what would be sent",
    load: async () => (await import("./explain.ts")).explainCommand,
  },
  {
    name: "check",
    summary: "check the configuration and report every error in it",
    load: async () => (await import("./check.ts")).checkCommand,
  },
  {
    name: "import",
    summary: "convert another server's configuration to an afcgi.yaml",
    load: async () => (await import("./import.ts")).importCommand,
  },
  {
    name: "hash-password",
    summary: "make a line for a file of users, from a password on standard input",
    load: async () => (await import("./hash_password.ts")).hashPasswordCommand,
  },
  {
    name: "schema",
    summary: "print the JSON Schema (2020-12) of the configuration file",
    load: async () => (await import("./schema.ts")).schemaCommand,
  },
  {
    name: "trust",
    summary: "print the root certificate of tls: internal, and how to trust it",
    load: async () => (await import("./trust.ts")).trustCommand,
  },
  {
    name: "ping",
    summary: "ask a running afcgi whether it is ready",
    load: async () => (await import("./ping.ts")).pingCommand,
  },
  {
    name: "reload",
    summary: "have a running afcgi read its configuration again",
    load: async () => (await import("./reload.ts")).reloadCommand,
  },
  {
    name: "version",
    summary: "print version, runtime and platform",
    load: async () => (await import("./version.ts")).versionCommand,
  },
];
