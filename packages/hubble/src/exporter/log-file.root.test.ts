// A disk that is full and has room again: a small tmpfs.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createLog } from "@tsilium/runtime";
import { LogFile } from "./log-file.ts";

test("a full disk costs no line as long as the queue holds, and cuts none", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-full-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=128k,mode=700", "tmpfs", folder]);
  try {
    const ballast = join(folder, "ballast");
    writeFileSync(ballast, Buffer.alloc(96 * 1024));
    const path = join(folder, "events.log");
    const file = new LogFile({
      path,
      maxBytes: 1e6,
      maxBackups: 1,
      compress: false,
      log: createLog({ level: "silent" }),
    });
    const lines = Array.from({ length: 400 }, (_, number) =>
      JSON.stringify({ number, text: "x".repeat(140) }),
    );
    for (const line of lines) file.write(line);
    await file.flush();
    assert.match(file.stats.error ?? "", /ENOSPC/);
    rmSync(ballast);
    await file.flush();
    assert.deepEqual(file.stats, { written: 400, lost: 0, error: undefined });
    assert.deepEqual(readFileSync(path, "utf8").split("\n"), [...lines, ""]);
    await file[Symbol.asyncDispose]();
  } finally {
    execFileSync("umount", [folder]);
    rmSync(folder, { recursive: true });
  }
});
