// Archives, read by an independent tar.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Archive } from "./archive.ts";
import { tarEntry } from "./tar.ts";

function withFolder(body: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-sysdump-"));
  try {
    body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("what is put in comes out again, for root alone", () =>
  withFolder((folder) => {
    const path = join(folder, "dump.tar.gz");
    const long = `${"a".repeat(90)}/${"b".repeat(90)}.json`;
    const files = { "empty.txt": "", "block.txt": "x".repeat(512), [long]: "ümläut\n" };
    {
      using archive = new Archive(path, "root");
      for (const [name, text] of Object.entries(files)) archive.add(name, Buffer.from(text));
      assert.equal(existsSync(path), false);
      assert.equal(archive.finish(), statSync(path).size);
    }
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.throws(() => new Archive(path, "root"), /it is there already/);
    const listed = execFileSync("tar", ["tzvf", path], { encoding: "utf8" });
    assert.equal(listed.match(/-rw-------/g)?.length, 3);
    for (const [name, text] of Object.entries(files))
      assert.equal(execFileSync("tar", ["xzOf", path, `root/${name}`], { encoding: "utf8" }), text);
  }));

test("an archive that was not finished leaves nothing, and another one's is not written over", () =>
  withFolder((folder) => {
    const path = join(folder, "dump.tar.gz");
    {
      using archive = new Archive(path, "root");
      archive.add("a", Buffer.from("a"));
      assert.throws(() => new Archive(path, "root"), { code: "EEXIST" });
    }
    assert.deepEqual([existsSync(path), existsSync(`${path}.partial`)], [false, false]);
  }));

test("a path that no header has room for is an error", () => {
  assert.throws(() => tarEntry("x".repeat(101), new Uint8Array(), new Date()), RangeError);
});
