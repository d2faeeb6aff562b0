import assert from "node:assert/strict";
import { test } from "node:test";
import { formatSize, formatTime, parseSize, parseTime } from "../../src/config/units.ts";

test("Sizes are read with decimal and binary units, and without", () => {
  const sizes = { "0": 0, "4096": 4096, "7B": 7, "10kB": 10_000, "10MB": 10_000_000 };
  const binary = { "64KiB": 65_536, "1MiB": 1_048_576, "2GiB": 2 ** 31, "1TiB": 2 ** 40 };
  for (const [text, bytes] of Object.entries({ ...sizes, ...binary })) {
    assert.equal(parseSize(text), bytes, text);
  }
});

test("What is no size is not read as one", () => {
  for (const text of ["", "-1", "1.5MB", "64K", "64 KiB", "MB", "1mb", "0x10", "9999999TiB"]) {
    assert.equal(parseSize(text), undefined, text);
  }
});

test("Times are read with their unit only", () => {
  const times = { "0s": 0, "250ms": 250, "30s": 30_000, "5m": 300_000, "2h": 7_200_000 };
  for (const [text, timeMs] of Object.entries(times)) assert.equal(parseTime(text), timeMs, text);
  for (const text of ["", "30", "1.5s", "-1s", "5 m", "1d", "s", "1m30s"]) {
    assert.equal(parseTime(text), undefined, text);
  }
});

test("A formatted size or time is read as the same value", () => {
  for (const bytes of [0, 1, 1000, 1024, 65_536, 64 * 1024 ** 2, 1024 ** 4, 123_457]) {
    assert.equal(parseSize(formatSize(bytes)), bytes);
  }
  for (const timeMs of [0, 1, 250, 1000, 90_000, 3_600_000]) {
    assert.equal(parseTime(formatTime(timeMs)), timeMs);
  }
});
