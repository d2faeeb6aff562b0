/** Bodies with a declared length: gathered for a moment where a stream would lose it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LENGTH_GATHERING_LIMITS, LengthGathering } from "../../src/http/length_gathering.ts";
import { ManualClock } from "../../src/runtime/manual_clock.ts";
import { engine, runtime, withGateway } from "../support/gateway.ts";
import { HttpConnection } from "../support/raw_http.ts";

const DROPS_LENGTHS = runtime.name === "bun" && engine === "native";
const { lengthMax, waitMs, totalMax } = LENGTH_GATHERING_LIMITS;
const encode = (text: string) => new TextEncoder().encode(text);

/** A body that a test writes by hand. */
function handWritten() {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  let reason: unknown;
  const stream = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
    cancel: (given) => void (reason = given),
  });
  return { stream, controller, cancelledWith: () => reason };
}

async function textOf(body: Uint8Array | ReadableStream<Uint8Array>): Promise<string> {
  return await new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>).text();
}

test("A body that comes in time is whole", async () => {
  const gathering = new LengthGathering(new ManualClock());
  const { stream, controller } = handWritten();
  const gathered = gathering.gather(stream, 6);
  assert.equal(gathering.heldLength, 6);
  controller.enqueue(encode("abc"));
  controller.enqueue(encode("def"));
  controller.close();
  const body = await gathered;
  assert.ok(body instanceof Uint8Array);
  assert.equal(await textOf(body), "abcdef");
  assert.equal(gathering.heldLength, 0);
});

test("A body that is late goes on as a stream of all its bytes", async () => {
  const clock = new ManualClock();
  const gathering = new LengthGathering(clock);
  const { stream, controller } = handWritten();
  const gathered = gathering.gather(stream, 6);
  controller.enqueue(encode("ab"));
  clock.advance(waitMs);
  const body = await gathered;
  assert.ok(body instanceof ReadableStream);
  assert.equal(gathering.heldLength, 0);
  controller.enqueue(encode("cd"));
  controller.enqueue(encode("ef"));
  controller.close();
  assert.equal(await textOf(body), "abcdef");
});

test("A body that is late and that nobody wants is given up at its source", async () => {
  const clock = new ManualClock();
  const { stream, cancelledWith } = handWritten();
  const gathered = new LengthGathering(clock).gather(stream, 6);
  clock.advance(waitMs);
  await (await gathered as ReadableStream).cancel("left");
  assert.equal(cancelledWith(), "left");
});

test("A body that breaks off is a stream that breaks off behind what came", async () => {
  const gathering = new LengthGathering(runtime.clock);
  const { stream, controller } = handWritten();
  const gathered = gathering.gather(stream, 6);
  controller.enqueue(encode("abc"));
  // A stream that errors drops what nobody has read.
  await runtimeTurn();
  controller.error(new Error("broke"));
  const body = await gathered;
  assert.ok(body instanceof ReadableStream);
  const reader = body.getReader();
  assert.deepEqual((await reader.read()).value, encode("abc"));
  await assert.rejects(reader.read());
  assert.equal(gathering.heldLength, 0);
});

function runtimeTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

test("What is too long, has no length, or finds no room is not waited for", async () => {
  const gathering = new LengthGathering(new ManualClock());
  assert.ok(gathering.takes(0));
  assert.ok(gathering.takes(lengthMax));
  assert.ok(!gathering.takes(lengthMax + 1));
  assert.ok(!gathering.takes(undefined));
  const bodies = Array.from({ length: totalMax / lengthMax }, handWritten);
  const gathered = bodies.map(({ stream }) => gathering.gather(stream, lengthMax));
  assert.equal(gathering.heldLength, totalMax);
  assert.ok(!gathering.takes(1));
  for (const { controller } of bodies) controller.close();
  await Promise.all(gathered);
  assert.ok(gathering.takes(lengthMax));
});

/** An answer in pieces, a turn apart: the head comes before its body is whole. */
function inPieces(pieces: readonly string[], headers: Record<string, string>): Response {
  const left = [...pieces];
  return new Response(
    new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        await runtimeTurn();
        const piece = left.shift();
        if (piece === undefined) controller.close();
        else controller.enqueue(encode(piece));
      },
    }, { highWaterMark: 0 }),
    { headers },
  );
}

test("A declared length reaches the client though the body comes in pieces", async () => {
  const application = () => inPieces(["abc", "def", "ghi"], { "content-length": "9" });
  await withGateway({ application }, async (gateway) => {
    const { headers, body, complete } = await gateway.send("/pieces");
    assert.equal(headers.get("content-length"), "9");
    assert.equal(headers.get("transfer-encoding"), undefined);
    assert.deepEqual([body.toString(), complete], ["abcdefghi", true]);
    assert.equal((await gateway.access.ofPath("/pieces"))["bytes_out"], 9);
  });
});

test("With response_gather 0 no body is waited for", async () => {
  const application = () => inPieces(["abc", "def"], { "content-length": "6" });
  await withGateway({ application, limits: { responseGatherMax: 0 } }, async (gateway) => {
    const { headers, body } = await gateway.send("/pieces");
    assert.equal(headers.get("content-length"), DROPS_LENGTHS ? undefined : "6");
    assert.equal(body.toString(), "abcdef");
  });
});

test("A slow body of declared length arrives before it is whole", async () => {
  const rest = Promise.withResolvers<void>();
  const application = () =>
    new Response(
      new ReadableStream<Uint8Array<ArrayBuffer>>({
        async start(controller) {
          controller.enqueue(encode("first"));
          await rest.promise;
          controller.enqueue(encode(" last"));
          controller.close();
        },
      }),
      { headers: { "content-length": "10" } },
    );
  await withGateway({ application }, async (gateway) => {
    const connection = await HttpConnection.open(gateway.port);
    await connection.send({});
    const body = connection.readBody(await connection.readHead());
    const texts: string[] = [];
    for await (const piece of body.pieces) {
      texts.push(piece.toString());
      rest.resolve();
    }
    assert.deepEqual([texts.join(""), body.complete], ["first last", true]);
    connection.destroy();
  });
});

test("Only a listener that drops lengths makes bodies wait", async () => {
  const server = await runtime.serveHttp({
    address: { transport: "tcp", host: "127.0.0.1", port: 0 },
    requestHeadLengthMax: 64 * 1024,
    handler: () => inPieces(["abc"], { "content-length": "3" }),
  });
  assert.equal(server.dropsLengths, runtime.name === "bun");
  assert.ok(server.address.transport === "tcp");
  const connection = await HttpConnection.open(server.address.port);
  await connection.send({});
  const { headers } = await connection.readAnswer();
  assert.equal(headers.has("content-length"), !server.dropsLengths);
  connection.destroy();
  await server.stop();
});
