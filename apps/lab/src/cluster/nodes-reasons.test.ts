import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node } from "@tsilium/kube";
import { LabError } from "../error.ts";
import { withNodesReasons } from "./nodes-reasons.ts";

const node = (name: string, status?: "True" | "False", message?: string): Node => ({
  metadata: { name },
  status: status
    ? { conditions: [{ type: "Ready", status, ...(message ? { message } : {}) }] }
    : {},
});
const clientWith = (items: readonly Node[]) =>
  ({ list: async () => ({ metadata: {}, items }) }) as never;
const signal = new AbortController().signal;
const late = new LabError("start_failed", "the nodes did not become ready", "look");

test("a lab that does not start says what its nodes wait for", async () => {
  const nodes = [node("node-1", "True"), node("node-2", "False", "no CNI"), node("node-3")];
  const error = await withNodesReasons(late, clientWith(nodes), signal);
  assert.ok(error instanceof LabError);
  assert.equal(
    error.message,
    "the nodes did not become ready:\n  node-2: no CNI\n  node-3: nobody has said anything of it",
  );
  assert.equal(error.hint, "look");
});

test("what is nothing of the nodes' stays as it is", async () => {
  const other = new Error("aborted");
  assert.equal(await withNodesReasons(other, clientWith([node("node-1")]), signal), other);
  assert.equal(await withNodesReasons(late, clientWith([node("node-1", "True")]), signal), late);
});
