/**
 * Entry of a thread that serves. It knows neither arguments nor signals: what it is to do comes from
 * the main thread, by messages.
 */
import { currentRuntime } from "./runtime/current.ts";
import { threadParent } from "./runtime/web_threads.ts";
import { serveInThread } from "./threads/serving_thread.ts";

serveInThread(currentRuntime(), threadParent());
