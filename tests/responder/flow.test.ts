import assert from "node:assert/strict";
import { test } from "node:test";
import { ABORTED, COMPLETE, gate, hello, MIB, serve, streamOf, turns } from "./setup.ts";
import { inWorld } from "../support/world_test.ts";

test(
  "A response is read no faster than the web server takes it, and its neighbours' neither",
  inWorld(async () => {
    let made = 0;
    const { connect } = await serve((request) => {
      if (request.url.endsWith("/small")) return hello(request, null!);
      return new Response(
        new ReadableStream({
          pull(controller) {
            made += 64 * 1024;
            controller.enqueue(new Uint8Array(64 * 1024));
          },
        }, { highWaterMark: 0 }),
      );
    });
    const client = await connect();
    client.pause();
    const endless = client.begin();
    await turns();
    const madeWhilePaused = made;
    assert.ok(
      madeWhilePaused < MIB,
      `${madeWhilePaused} bytes were made for a web server that reads none`,
    );
    await turns();
    assert.equal(made, madeWhilePaused);
    client.resume();
    await client.until(() => endless.stdoutLength > 4 * MIB);
    const small = client.begin({ uri: "/small" });
    assert.deepEqual(await small.ended(), COMPLETE);
    client.protocol.abort(endless.id);
    await client.flush();
    assert.deepEqual(await endless.ended(), ABORTED);
  }),
);

test(
  "A response whose body ends while its header section waits for its turn is sent whole",
  inWorld(async () => {
    const bodies: ReadableStreamDefaultController<Uint8Array>[] = [];
    const { connect, errors } = await serve((request) => {
      if (request.url.endsWith("/long")) return new Response(new Uint8Array(MIB));
      return new Response(new ReadableStream({ start: (body) => void bodies.push(body) }));
    });
    const client = await connect();
    client.pause();
    const long = client.begin({ uri: "/long" });
    await turns();
    const requests = [client.begin(), client.begin()];
    await turns();
    bodies[0]!.close();
    bodies[1]!.enqueue(new TextEncoder().encode("late"));
    bodies[1]!.close();
    await turns();
    client.resume();
    const responses = await Promise.all(requests.map((request) => request.answer()));
    assert.deepEqual(responses.map(({ body }) => body), ["", "late"]);
    for (const request of [long, ...requests]) assert.deepEqual(await request.ended(), COMPLETE);
    assert.deepEqual(errors, []);
  }),
);

test(
  "Long responses take turns of 32 KiB, and a short one does not wait for their ends",
  inWorld(async () => {
    const { connect } = await serve((request) => {
      if (request.url.endsWith("/short")) return new Response("short");
      return new Response(new Uint8Array(4 * MIB));
    });
    const client = await connect();
    const long = [client.begin(), client.begin(), client.begin()];
    const short = client.begin({ uri: "/short" });
    await short.ended();
    for (const request of long) {
      assert.ok(
        request.stdoutLength < MIB,
        `${request.stdoutLength} bytes came before the short one`,
      );
    }
    await client.until(() => long.every((request) => request.stdoutLength > 2 * MIB));
    const lengths = long.map((request) => request.stdoutLength);
    assert.ok(Math.max(...lengths) - Math.min(...lengths) <= 512 * 1024, `${lengths}`);
    for (const request of long) assert.deepEqual(await request.ended(), COMPLETE);
  }),
);

test(
  "The pieces of one response stay in order however they are written",
  inWorld(async () => {
    const pieces = Array.from({ length: 40 }, (_, index) => String.fromCharCode(65 + index));
    const { connect } = await serve((_, { stderr }) => {
      for (const letter of pieces) void stderr.write(letter.repeat(50_000));
      return new Response(
        streamOf(pieces.map((letter) => new TextEncoder().encode(letter.repeat(50_000)))),
      );
    });
    const client = await connect();
    const requests = [client.begin(), client.begin()];
    const expected = pieces.map((letter) => letter.repeat(50_000)).join("");
    for (const request of requests) {
      const { body } = await request.answer();
      assert.ok(body === expected);
      assert.ok(request.stderr === expected);
    }
  }),
);

test(
  "A web server is not read from while a handler leaves its body unread",
  inWorld(async () => {
    const goOn = gate();
    const { connect } = await serve(async (request) => {
      await goOn.promise;
      return new Response(String((await request.arrayBuffer()).byteLength));
    }, { bodyBufferMax: 100_000 });
    const client = await connect();
    const request = client.begin({ method: "POST", body: null });
    let written = 0;
    const upload = (async () => {
      for (let piece = 0; piece < 100; piece++) {
        client.protocol.sendStdin(request.id, new Uint8Array(20_000));
        await client.flush();
        written += 20_000;
      }
      client.protocol.endStdin(request.id);
      await client.flush();
    })();
    await turns();
    const writtenWhileUnread = written;
    assert.ok(writtenWhileUnread < 400_000, `${writtenWhileUnread} bytes were taken`);
    goOn.resolve();
    await upload;
    assert.equal((await request.answer()).body, "2000000");
  }),
);

test(
  "A body that the handler does not want holds nobody up",
  inWorld(async () => {
    const { connect } = await serve((request) => {
      void request.body?.cancel();
      return hello(request, null!);
    }, { bodyBufferMax: 1000 });
    const client = await connect();
    const body = new Uint8Array(200_000);
    assert.deepEqual(await client.begin({ method: "POST", body }).ended(), COMPLETE);
    assert.deepEqual(await client.begin().ended(), COMPLETE);
  }),
);

test(
  "A web server that asks and asks and never reads is not read from for ever",
  inWorld(async () => {
    const { connect } = await serve(hello);
    const client = await connect();
    client.pause();
    let asked = 0;
    const names = ["FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS"];
    const asking = (async () => {
      while (asked < 400) {
        for (let count = 0; count < 100; count++) client.protocol.getValues(names);
        await client.flush();
        asked++;
      }
    })();
    for (let before = -1; before !== asked;) {
      before = asked;
      await turns();
    }
    assert.ok(asked < 400, `${asked} times 100 questions were read`);
    client.resume();
    await asking;
    assert.deepEqual(await client.begin().ended(), COMPLETE);
  }),
);
