import assert from "node:assert/strict";
import { test } from "node:test";
import { steadyClock } from "./steady-clock.ts";

const minute = 60_000;
const day = 1440 * minute;

function clockOf() {
  const sources = { wallMs: 1_700_000_000_000, elapsedMs: 5_000 };
  const now = steadyClock({ wall: () => sources.wallMs, elapsed: () => sources.elapsedMs });
  const pass = (ms: number) => {
    sources.wallMs += ms;
    sources.elapsedMs += ms;
  };
  return { sources, now, pass };
}

test("a clock that leaps forward and comes back has aged nothing", () => {
  const { sources, now, pass } = clockOf();
  const begun = now();
  sources.wallMs += 2 * day;
  for (let minutes = 0; minutes < 10; minutes++) {
    assert.equal(now(), begun + minutes * minute);
    pass(minute);
  }
  sources.wallMs -= 2 * day;
  assert.equal(now(), begun + 10 * minute);
});

test("a leap that lasts is believed, small steps and steps back at once", () => {
  const { sources, now, pass } = clockOf();
  sources.wallMs += day;
  now();
  pass(15 * minute);
  assert.equal(now(), sources.wallMs);
  sources.wallMs += 30_000;
  assert.equal(now(), sources.wallMs);
  sources.wallMs -= 3 * day;
  assert.equal(now(), sources.wallMs);
});
