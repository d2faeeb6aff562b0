/**
 * Who answers in the place of an authority: with endless, huge, nested or senseless responses, with
 * redirects, with addresses of others that we would sign requests to, with certificates that are none.
 * Nothing of it may be used, take memory, or keep a handshake or a start waiting. And strangers who
 * ask for challenges, and for names that nobody has.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { MessageReader } from "../../src/acme/messages.ts";
import { problemError } from "../../src/acme/problem.ts";
import { NEW_NAMES_AT_ONCE_MAX, REFUSED_NAMES_MAX } from "../../src/acme/on_demand.ts";
import { currentRuntime } from "../../src/runtime/current.ts";
import { OutgoingError } from "../../src/runtime/https_client.ts";
import { DIRECTORY } from "../support/acme_authority.ts";
import { AcmeWorld, hello, HOUR_MS, MINUTE_MS, SECOND_MS } from "../support/acme_world.ts";
import { turn } from "../support/idle.ts";

const { sendRequest } = currentRuntime();

async function withServer(
  handle: Parameters<typeof createServer>[1],
  use: (url: string) => Promise<void>,
): Promise<void> {
  const server: Server = createServer(handle!);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  try {
    await use(`http://127.0.0.1:${port}/`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const ask = (url: string, timeoutMs = 20_000) =>
  sendRequest({ method: "GET", url, headers: {}, timeoutMs, bodyLengthMax: 100_000 });

test("A response that never ends is cut at its bound", async () => {
  await withServer((_request, response) => {
    const more = (): void => {
      while (response.write("x".repeat(16_384)));
      response.once("drain", more);
    };
    more();
  }, async (url) => {
    await assert.rejects(
      ask(url),
      (error: unknown) =>
        error instanceof OutgoingError && /more than 100000 bytes/.test(error.message),
    );
  });
});

test("A response that never begins, or stands still, is waited for no longer than its time", async () => {
  await withServer(() => {}, async (url) => {
    await assert.rejects(ask(url, 200), /there is no response within/);
  });
  await withServer((_request, response) => void response.write("{"), async (url) => {
    await assert.rejects(ask(url, 200), /there is no response within/);
  });
});

test("A redirect is followed nowhere", async () => {
  let asked = 0;
  await withServer((request, response) => {
    asked++;
    response.writeHead(302, { location: `http://${request.headers.host}/elsewhere` }).end();
  }, async (url) => {
    assert.equal((await ask(url)).status, 302);
    assert.equal(asked, 1);
  });
});

test("A response that unpacks to more than it says is not unpacked", async () => {
  const zeros = new Uint8Array(50_000_000);
  const bomb = await new Response(
    new Blob([zeros]).stream().pipeThrough(new CompressionStream("gzip")),
  ).bytes();
  await withServer((_request, response) => {
    response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
  }, async (url) => {
    await assert.rejects(ask(url), OutgoingError);
  });
});

const directory = {
  newNonce: "https://authority.test/nonce",
  newAccount: "https://authority.test/account",
  newOrder: "https://authority.test/order",
};

for (
  const url of [
    "https://elsewhere.test/order",
    "https://authority.test:444/order",
    "http://authority.test/order",
    "https://authority.test.evil.test/order",
    "https://authority.test@evil.test/order",
    "//evil.test/order",
    "file:///etc/passwd",
    "javascript:0",
    "",
    `https://authority.test/${"x".repeat(3000)}`,
    7,
    null,
    {},
    ["https://authority.test/order"],
  ]
) {
  test(`No signed request goes to ${JSON.stringify(url).slice(0, 60)}`, () => {
    const messages = new MessageReader(DIRECTORY);
    for (const key of ["newNonce", "newAccount", "newOrder", "renewalInfo"]) {
      assert.throws(
        () => messages.directory({ ...directory, [key]: url }),
        /authority's directory/,
      );
    }
    const order = {
      status: "pending",
      authorizations: ["https://authority.test/1"],
      finalize: url,
    };
    assert.throws(() => messages.order(order), /authority's order/);
    const others = { ...order, finalize: "https://authority.test/f", authorizations: [url] };
    assert.throws(() => messages.order(others), /authority's order/);
  });
}

test("Documents of other shapes are refused, whatever stands in them", () => {
  const messages = new MessageReader(DIRECTORY);
  const order = {
    status: "pending",
    authorizations: ["https://authority.test/1"],
    finalize: "https://authority.test/f",
  };
  assert.ok(messages.order(order));
  const wrong: unknown[] = [
    undefined,
    null,
    7,
    "text",
    [],
    {},
    { ...order, status: "odd" },
    { ...order, authorizations: "https://authority.test/1" },
    { ...order, authorizations: [] },
    { ...order, authorizations: Array(101).fill("https://authority.test/1") },
    { ...order, certificate: "https://evil.test/" },
  ];
  for (const value of wrong) assert.throws(() => messages.order(value), /Cannot (read|trust)/);
  const challenge = { type: "http-01", url: "https://authority.test/c", token: "x".repeat(43) };
  const authorization = {
    status: "pending",
    identifier: { type: "dns", value: "a.test" },
    challenges: [challenge],
  };
  assert.ok(messages.authorization(authorization));
  for (
    const token of ["", "short", "../../../../etc/passwd/x", "x".repeat(129), "a b".repeat(20), 7]
  ) {
    const value = { ...authorization, challenges: [{ ...challenge, token }] };
    assert.throws(() => messages.authorization(value), /authority's challenge/, `${token}`);
  }
});

test("An authority's words stay one line, and short", () => {
  const detail = `a\nb\r\u2028c\u202ed${"x".repeat(10_000)}`;
  const { message } = problemError("ask", {
    type: "urn:x\nevil",
    detail,
    subproblems: Array(1000).fill({ detail }),
  });
  assert.doesNotMatch(message, /[\n\r\u2028\u202e]/);
  assert.ok(message.length < 4000, `${message.length}`);
});

for (
  const [name, body, headers] of [
    ["JSON that is nested too deep", "[".repeat(100_000), {}],
    ["no JSON", "<html>", {}],
    ["a nonce that would be a header", "{}", { "replay-nonce": "a b" }],
    ["a list", "[]", {}],
    ["numbers", '{"newNonce":1}', {}],
  ] as [string, string, Record<string, string>][]
) {
  test(`A directory that says ${name} is a failed order and no more`, async () => {
    const world = new AcmeWorld();
    world.authority.interfere = () => ({ body, headers });
    const process = await world.start([["a.test"]]);
    await world.until(() => process.results.length > 0, MINUTE_MS);
    assert.deepEqual(process.results, ["failed"]);
    await world.stop();
  });
}

for (
  const [name, text] of [
    ["no certificate", "hello"],
    ["a broken one", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
    ["a hundred", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".repeat(100)],
  ] as const
) {
  test(`A chain that is ${name} is not served`, async () => {
    const world = new AcmeWorld();
    world.authority.interfere = (_request, path) =>
      path.startsWith("/certificate/") ? { body: text } : undefined;
    const process = await world.start([["a.test"]]);
    await world.until(() => process.results.length > 0, MINUTE_MS);
    assert.deepEqual(process.results, ["failed"]);
    assert.equal(process.source.find("a.test", hello("a.test")), undefined);
    assert.match(`${process.lines().at(-1)!["msg"]}`, /Cannot use the certificate/);
    await world.stop();
  });
}

test("A certificate for other names, or with another key, is not served", async () => {
  const world = new AcmeWorld();
  let chain = "";
  world.authority.interfere = (_request, path) => {
    if (!path.startsWith("/certificate/")) return undefined;
    const order = world.authority.orders[Number(path.split("/").at(-1)) - 1]!;
    chain ||= order.certificate!;
    return { body: chain };
  };
  await world.start([["a.test"]]);
  await world.until(() => chain !== "", MINUTE_MS);
  const other = await world.start([["b.test"]]);
  await world.until(() => other.results.length > 0, MINUTE_MS);
  assert.match(`${other.lines().at(-1)!["msg"]}`, /it is not for "b\.test"/);
  await world.stop();
});

test("An authority that asks to prove a name that was not ordered gets nothing", async () => {
  const world = new AcmeWorld();
  world.authority.interfere = (_request, path) =>
    path.startsWith("/authorization/")
      ? {
        body: {
          status: "pending",
          identifier: { type: "dns", value: "victim.test" },
          challenges: [{
            type: "http-01",
            url: "https://authority.test/challenge/0/http-01",
            token: "x".repeat(43),
          }],
        },
      }
      : undefined;
  const process = await world.start([["a.test"]]);
  await world.until(() => process.results.length > 0, MINUTE_MS);
  assert.match(`${process.lines().at(-1)!["msg"]}`, /Cannot prove a name that was not ordered/);
  await world.stop();
});

test("An authority that never comes to an end is left after five minutes", async () => {
  const world = new AcmeWorld();
  world.authority.interfere = (_request, path) =>
    path.startsWith("/orders/")
      ? {
        headers: { "retry-after": "86400" },
        body: {
          status: "processing",
          authorizations: ["https://authority.test/authorization/0"],
          finalize: "https://authority.test/finalize/1",
        },
      }
      : undefined;
  const process = await world.start([["a.test"]]);
  const tookMs = await world.until(() => process.results.length > 0, HOUR_MS);
  assert.ok(tookMs <= 6 * MINUTE_MS, `${tookMs}`);
  await world.stop();
});

test("Strangers learn nothing by asking for challenges", async () => {
  const world = new AcmeWorld();
  const process = await world.start([["a.test"]], { challenges: ["http-01"] });
  let seen: (string | undefined)[] = [];
  world.authority.interfere = (_request, path) => {
    if (!path.startsWith("/challenge/")) return undefined;
    const token = "token-0-".padEnd(43, "x");
    seen = [
      process.source.answerChallenge("a.test", token),
      process.source.answerChallenge("b.test", token),
      process.source.answerChallenge("a.test", `${token}x`),
      process.source.answerChallenge("a.test", `../accounts/${token}`),
      process.source.answerChallenge("a.test", "%2e%2e%2faccounts"),
      process.source.answerChallenge("a.test", ""),
    ];
    return undefined;
  };
  await world.until(() => world.authority.issued === 1, MINUTE_MS);
  assert.match(seen[0]!, /^token-0-x+\.[A-Za-z0-9_-]{43}$/);
  assert.deepEqual(seen.slice(1), [undefined, undefined, undefined, undefined, undefined]);
  assert.equal(process.source.answerChallenge("a.test", "token-0-".padEnd(43, "x")), undefined);
  for (const name of ["a.test", "", "b.test", "../x", "x".repeat(300)]) {
    assert.equal(await process.source.find(name, hello(name, ["acme-tls/1"])), undefined);
    assert.equal(await process.source.find(name, hello(name, ["acme-tls/1", "h2"])), undefined);
  }
  await world.stop();
});

const ON_DEMAND = { ask: "http://ask.test/may", rateCount: 3, ratePeriodMs: 60_000 };
const response = (status: number) => ({ status, headers: new Headers(), body: "" });

test("A name gets a certificate on demand when who is asked says 200, and else none", async () => {
  const world = new AcmeWorld();
  const asked: string[] = [];
  world.elsewhere = async ({ url }) => {
    asked.push(url);
    return response(url.includes("good") ? 200 : url.includes("moved") ? 302 : 404);
  };
  const process = await world.start([[]], { onDemand: ON_DEMAND });
  const find = (name: string) => process.source.find(name, hello(name));
  const good = find("good.example");
  await world.until(() => world.authority.issued === 1, MINUTE_MS);
  await world.pass(5 * SECOND_MS);
  assert.ok(await good, "the handshake waited for it");
  assert.equal(find("good.example"), await good);
  for (const name of ["bad.example", "moved.example"]) assert.equal(await find(name), undefined);
  assert.equal(asked.length, 3);
  assert.equal(await find("bad.example"), undefined);
  assert.equal(asked.length, 3, "who was refused is not asked for again at once");
  for (
    const name of [
      "",
      "localhost",
      "a..b",
      "-a.example",
      "192.0.2.1",
      "*.example",
      "a/b.example",
      "x".repeat(64) + ".example",
    ]
  ) {
    assert.equal(await find(name), undefined, name);
  }
  assert.equal(asked.length, 3, "what can be no name is not asked for");
  await world.stop();
});

test("A flood of made-up names is bounded: questions, orders, memory", async () => {
  const world = new AcmeWorld();
  let open = 0;
  let most = 0;
  world.elsewhere = async () => {
    most = Math.max(most, ++open);
    await turn();
    open--;
    return response(200);
  };
  const process = await world.start([[]], { onDemand: ON_DEMAND });
  const found = Array.from(
    { length: 500 },
    (_, index) => process.source.find(`n${index}.example`, hello("")),
  );
  await world.pass(40 * SECOND_MS);
  const got = (await Promise.all(found)).filter((identity) => identity !== undefined);
  assert.ok(most <= NEW_NAMES_AT_ONCE_MAX, `${most} questions at once`);
  assert.ok(
    world.authority.orders.length <= ON_DEMAND.rateCount,
    `${world.authority.orders.length}`,
  );
  assert.ok(got.length <= ON_DEMAND.rateCount);
  assert.ok(REFUSED_NAMES_MAX <= 10_000);
  await world.stop();
});

test("An order on demand that fails is not tried again behind everybody's back", async () => {
  const world = new AcmeWorld({ check: () => false });
  world.elsewhere = async () => response(200);
  const process = await world.start([[]], { onDemand: { ...ON_DEMAND, rateCount: 100 } });
  const waiting = process.source.find("a.example", hello("a.example"));
  await world.pass(5 * SECOND_MS);
  assert.equal(await waiting, undefined);
  await world.pass(HOUR_MS, MINUTE_MS);
  assert.equal(world.authority.orders.length, 1);
  await world.stop();
});
