import assert from "node:assert/strict";
import { test } from "node:test";
import { complaints } from "./complaints.ts";

test("Hubble's ports: a flood of bad handshakes is a line in the log every ten seconds", () => {
  const lines: unknown[] = [];
  let nowMs = 0;
  const complain = complaints(
    { warn: (facts: unknown, message?: string) => void lines.push([facts, message]) },
    () => nowMs,
  );
  const error = new Error("no certificate");
  for (; nowMs < 25_000; nowMs++) complain({ message: "a handshake failed", error });
  complain({ message: "another thing", error });
  assert.deepEqual(lines, [
    [{ error }, "a handshake failed"],
    [{ error, omitted: 9_999 }, "a handshake failed"],
    [{ error, omitted: 9_999 }, "a handshake failed"],
    [{ error }, "another thing"],
  ]);
});
