import assert from "node:assert/strict";
import { chownSync, mkdirSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Folder } from "./testing/folder.ts";

test("a folder, or a link to one, that belongs to another user is not used, nor changed", async () => {
  using folder = new Folder();
  const theirs = join(folder.path, "theirs");
  mkdirSync(theirs, { mode: 0o755 });
  chownSync(theirs, 65_534, 65_534);
  const link = join(folder.path, "link");
  symlinkSync(theirs, link);
  for (const path of [theirs, link])
    await assert.rejects(folder.open({ folder: path }), /belongs to another user/);
  assert.equal(statSync(theirs).mode & 0o777, 0o755);
});
