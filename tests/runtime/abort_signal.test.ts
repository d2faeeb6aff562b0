import assert from "node:assert/strict";
import { test } from "node:test";
import { abortSignalOf, LightAbortSignal } from "../../src/runtime/abort_signal.ts";

test("A departure is told once, to functions and objects that still listen", () => {
  const abortSignal = new LightAbortSignal();
  const heard: string[] = [];
  const listener = { handleEvent: () => void heard.push("object") };
  const removed = { handleEvent: () => void heard.push("removed") };
  const gone = () => void heard.push("gone");
  const first = () => {
    heard.push("function");
    // What listens no more while it is told, and what asks from then on.
    abortSignal.removeEventListener("abort", removed);
    abortSignal.addEventListener("abort", gone);
  };
  abortSignal.addEventListener("abort", first);
  abortSignal.addEventListener("abort", first);
  abortSignal.addEventListener("abort", removed);
  abortSignal.addEventListener("abort", listener);
  abortSignal.addEventListener("abort", gone);
  abortSignal.removeEventListener("abort", gone);
  abortSignal.removeEventListener("abort", gone);
  assert.equal(abortSignal.aborted, false);
  abortSignal.abort();
  abortSignal.abort();
  assert.equal(abortSignal.aborted, true);
  assert.deepEqual(heard, ["function", "object"]);
});

test("A request that has no departure tells by its signal", () => {
  const aborter = new AbortController();
  const request = new Request("http://h/", { signal: aborter.signal });
  let heard = 0;
  const signal = abortSignalOf(request);
  signal.addEventListener("abort", () => heard++);
  aborter.abort();
  assert.deepEqual([signal.aborted, heard], [true, 1]);
});
