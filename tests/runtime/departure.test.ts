import assert from "node:assert/strict";
import { test } from "node:test";
import { Departure, departureOf } from "../../src/runtime/departure.ts";

test("A departure is told once, to functions and objects that still listen", () => {
  const departure = new Departure();
  const heard: string[] = [];
  const listener = { handleEvent: () => void heard.push("object") };
  const removed = { handleEvent: () => void heard.push("removed") };
  const gone = () => void heard.push("gone");
  const first = () => {
    heard.push("function");
    // What listens no more while it is told, and what asks from then on.
    departure.removeEventListener("abort", removed);
    departure.addEventListener("abort", gone);
  };
  departure.addEventListener("abort", first);
  departure.addEventListener("abort", first);
  departure.addEventListener("abort", removed);
  departure.addEventListener("abort", listener);
  departure.addEventListener("abort", gone);
  departure.removeEventListener("abort", gone);
  departure.removeEventListener("abort", gone);
  assert.equal(departure.aborted, false);
  departure.tell();
  departure.tell();
  assert.equal(departure.aborted, true);
  assert.deepEqual(heard, ["function", "object"]);
});

test("A request that has no departure tells by its signal", () => {
  const aborter = new AbortController();
  const request = new Request("http://h/", { signal: aborter.signal });
  let heard = 0;
  const signal = departureOf(request);
  signal.addEventListener("abort", () => heard++);
  aborter.abort();
  assert.deepEqual([signal.aborted, heard], [true, 1]);
});
