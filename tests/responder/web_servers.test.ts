import { test } from "node:test";
import assert from "node:assert/strict";
import { WebServers } from "../../src/responder/web_servers.ts";
import { MemoryProcess } from "../support/memory/memory.ts";

function inherited(FCGI_WEB_SERVER_ADDRS: string): WebServers | undefined {
  return WebServers.fromEnvironment(new MemoryProcess({ env: { FCGI_WEB_SERVER_ADDRS } }));
}

test("FCGI_WEB_SERVER_ADDRS names who may connect, with spaces or without", () => {
  const servers = inherited("199.170.183.28, 199.170.183.71,::1")!;
  assert.ok(servers.include("tcp://199.170.183.28:40000"));
  assert.ok(servers.include("tcp://199.170.183.71:1"));
  assert.ok(servers.include("tcp://[::1]:40000"));
  assert.ok(!servers.include("tcp://199.170.183.2:40000"));
});

test("An IPv6 address is the same in each of its spellings", () => {
  const servers = inherited("2001:DB8:0:0::1")!;
  assert.ok(servers.include("tcp://[2001:db8::1]:80"));
  assert.ok(!servers.include("tcp://[2001:db8::2]:80"));
});

test("A peer without an IP address is none of the web servers", () => {
  const servers = inherited("127.0.0.1")!;
  assert.ok(!servers.include("unix:/run/app.sock"));
  assert.ok(!servers.include("fd:0"));
});

test("Without FCGI_WEB_SERVER_ADDRS, or with an empty one, everybody may connect", () => {
  assert.equal(WebServers.fromEnvironment(new MemoryProcess()), undefined);
  assert.equal(inherited(" "), undefined);
});

test("A list of web servers with something else than IP addresses is refused", () => {
  for (
    const text of ["localhost", "127.0.0.1,", "127.0.0.256", "1.2.3", "1.2.3.4/8", "[::1]", ":"]
  ) {
    assert.throws(() => inherited(text), /web server ".*" is not an IP address/, text);
  }
});
