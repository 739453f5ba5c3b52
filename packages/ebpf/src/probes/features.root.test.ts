import assert from "node:assert/strict";
import { test } from "node:test";
import { features, hasFeature, requireFeature } from "./features.ts";
import { kernelVersion } from "./kernel-version.ts";
import { hasHelper, SCHED_CLS } from "./snippet.ts";

test("what came with kernels long past is found", () => {
  const old = features().filter(({ sinceKernel }) => Number(sinceKernel.split(".")[0]) < 6);
  const missing = old.filter(({ available }) => !available).map(({ name }) => name);
  assert.deepEqual(missing, []);
});

test("tcx is found exactly where the kernel is new enough", () => {
  const { major, minor } = kernelVersion();
  assert.equal(hasFeature("tcx"), major > 6 || (major === 6 && minor >= 6));
});

test("a helper that does not exist, or not for this kind of program, is absent", () => {
  const getStackid = 27;
  assert.equal(hasHelper(SCHED_CLS, 9999), false);
  assert.equal(hasHelper(SCHED_CLS, getStackid), false);
  assert.equal(hasHelper(SCHED_CLS, 1), true);
});

test("requiring what is missing names it and the first kernel that has it", (context) => {
  const absent = features().find(({ available }) => !available);
  if (!absent) return context.skip("this kernel has everything");
  assert.throws(() => requireFeature(absent.name), {
    name: "UnsupportedError",
    message: new RegExp(`lacks ${absent.name}, which came with Linux ${absent.sinceKernel}`),
  });
});
