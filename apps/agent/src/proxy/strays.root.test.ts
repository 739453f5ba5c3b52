import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isRunning, launch, stop } from "@tsilium/proxy/launch/index.ts";
import { createLog } from "@tsilium/runtime";
import { endStrays } from "./strays.ts";

test("what an earlier agent started and this one has no place for is ended, and nothing else", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-strays-"));
  const start = (name: string) =>
    launch({
      command: "/bin/sleep",
      args: ["1000"],
      logFile: join(folder, `${name}.log`),
      pidFile: join(folder, `${name}.pid`),
    });
  const [stray, kept] = [await start("envoy-egress"), await start("dns")];
  try {
    await endStrays(folder, new Set([join(folder, "dns.pid")]), createLog({ level: "fatal" }));
    assert.ok(!isRunning(stray));
    assert.ok(isRunning(kept));
    assert.ok(!existsSync(join(folder, "envoy-egress.pid")));
    await endStrays(join(folder, "nothing"), new Set(), createLog({ level: "fatal" }));
  } finally {
    for (const process of [stray, kept]) await stop(process, { signal: "SIGKILL" });
    rmSync(folder, { recursive: true });
  }
});
