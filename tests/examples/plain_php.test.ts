/** `examples/plain-php`: scripts of their own beside a front controller, php-fpm started by afcgi. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { missingPeer } from "../support/peers.ts";
import { httpRequest } from "../support/raw_http.ts";
import { exampleTests } from "./common.ts";

const running = exampleTests({
  name: "plain-php",
  peer: "php-fpm",
  writable: ["public/uploads"],
  form: "/hello.php",
  upload: "/upload.php",
  uploads: "/uploads",
  title: "Plain PHP",
});

test(
  "plain-php refuses a body that PHP would not take",
  { skip: missingPeer("php-fpm") },
  async () => {
    const response = await httpRequest(running().afcgi.port, {
      method: "POST",
      target: "/upload.php",
      headers: { "Content-Length": String(16 * 1024 * 1024 + 1) },
    });
    assert.equal(response.status, 413);
  },
);
