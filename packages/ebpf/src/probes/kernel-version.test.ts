import assert from "node:assert/strict";
import { test } from "node:test";
import { parseKernelVersion } from "./kernel-version.ts";

test("a distribution's release string yields the kernel's version", () => {
  assert.deepEqual(parseKernelVersion("6.1.0-28-cloud-amd64"), { major: 6, minor: 1 });
  assert.deepEqual(parseKernelVersion("6.18.44-fc-v445"), { major: 6, minor: 18 });
});

test("a string that is no version is refused", () => {
  assert.throws(() => parseKernelVersion("unknown"), RangeError);
});
