/** A program whose timer, promise and microtask throw: it goes on, and nobody but standard error is told. */
import { runtime } from "./support.ts";

runtime.process.surviveExceptions();
setTimeout(() => {
  throw new TypeError("of a timer");
}, 0);
queueMicrotask(() => {
  throw new TypeError("of a microtask");
});
void Promise.reject(new TypeError("of a promise"));
setTimeout(() => console.log("still here"), 50);
