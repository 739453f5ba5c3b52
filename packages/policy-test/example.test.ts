// The example project of the documentation, run as its reader runs it.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const example = join(import.meta.dirname, "../../docs/examples/policy-tests");

test("the example's TypeScript tests pass", async () => {
  // Inside of a test `node --test` does nothing, unless it is not told.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { stdout } = await promisify(execFile)(process.execPath, ["--test"], { cwd: example, env });
  assert.match(stdout, /pass 6$/m);
});
