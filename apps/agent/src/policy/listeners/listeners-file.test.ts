import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { repeat } from "@tsilium/testkit";
import { ListenersFile, type SavedListeners } from "./listeners-file.ts";

const saved: SavedListeners = {
  listeners: [
    {
      port: 10_896,
      version: 3,
      content: "ab".repeat(32),
      namespace: "shop",
      ruleSet: {
        direction: "egress",
        audit: false,
        denyRule: 2,
        kind: "kafka",
        rules: [],
      },
    },
  ],
  used: [10_897],
  version: 7,
};

function inFolder(use: (file: ListenersFile, path: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "tsit-listeners-"));
  try {
    const path = join(folder, "proxy", "listeners.json");
    use(new ListenersFile(path), path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("what is written is read, by nobody but root", () =>
  inFolder((file, path) => {
    assert.equal(file.read(), undefined);
    file.write(saved);
    assert.deepEqual(file.read(), { ...saved });
    assert.equal(statSync(path).mode & 0o777, 0o600);
  }));

test("a file cut off anywhere is none", () =>
  inFolder((file, path) => {
    file.write(saved);
    const whole = readFileSync(path);
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length));
      assert.equal(file.read(), undefined);
    }
  }));

test("whatever bytes are wrong, ports stay in the ranges of what they are for, and no port is said twice", () =>
  inFolder((file, path) => {
    file.write(saved);
    const whole = readFileSync(path);
    repeat({ runs: 300 }, (random) => {
      const bytes = Buffer.from(whole);
      for (let flips = 1 + random.below(3); flips > 0; flips--)
        bytes[random.below(bytes.length)] = random.below(256);
      writeFileSync(path, bytes);
      for (const { port, ruleSet } of file.read()?.listeners ?? [])
        assert.ok(port >= 10_000 && port <= 11_776 && Array.isArray(ruleSet.rules));
    });
  }));
