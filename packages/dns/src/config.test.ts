import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultLimits, parseDnsProxyConfig } from "./config.ts";

const least = { controlSocket: "/run/x/control.sock", stateFolder: "/run/x/state" };

test("a configuration has defaults", () => {
  assert.deepEqual(parseDnsProxyConfig(JSON.stringify(least)), {
    ...least,
    user: undefined,
    rejectCode: "refused",
    maxResponseDelayMs: 100,
    limits: defaultLimits,
  });
});

test("a configuration with a mistake is refused", () => {
  const cases: [object | string, RegExp][] = [
    ["{", /not JSON/],
    ["[]", /not an object/],
    [{}, /controlSocket/],
    [{ ...least, stateFolder: "state" }, /stateFolder is not an absolute path/],
    [{ ...least, user: { uid: 0, gid: 1 } }, /user.uid/],
    [{ ...least, rejectCode: "drop" }, /rejectCode/],
    [{ ...least, maxResponseDelayMs: -1 }, /maxResponseDelayMs/],
    [{ ...least, limits: { maxPending: 0 } }, /limits.maxPending/],
    [{ ...least, limits: { maxNames: 1 } }, /unknown key limits.maxNames/],
    [{ ...least, rejectcode: "refused" }, /unknown key rejectcode/],
  ];
  for (const [value, message] of cases) {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    assert.throws(() => parseDnsProxyConfig(text), { code: "config_invalid", message });
  }
});
