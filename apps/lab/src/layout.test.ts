import assert from "node:assert/strict";
import { test } from "node:test";
import { labContext, nodeNumber } from "./context.ts";
import { isNamespaceOf, labLayout } from "./layout.ts";

test("node N has the addresses that the design says", () => {
  const { ipv4, ipv6 } = labLayout("lab").node(9);
  assert.deepEqual([ipv4, ipv6], ["172.18.0.10", "fc00:18::a"]);
});

for (const name of ["", "A", "a_b", "-a", "a-", "a".repeat(33), "../x"]) {
  test(`"${name}" cannot be a lab's name`, () => {
    assert.throws(() => labLayout(name), { code: "bad_name" });
  });
}

test("a lab never takes another's namespaces for its own", () => {
  const files = [
    "tsi-a-fabric",
    "tsi-a-node-1",
    "tsi-a-pod-0123456789ab",
    "tsi-a-b-fabric",
    "tsi-a-node-fabric",
    "tsi-a-pod-x",
  ];
  assert.deepEqual(
    files.filter((file) => isNamespaceOf("a", file)),
    files.slice(0, 3),
  );
});

test("a node's context is under its lab", () => {
  assert.equal(labContext("x", "node-2").socket, "/var/run/tsilium/lab/x/node-2/tsilium.sock");
  assert.throws(() => nodeNumber("node-0"), { code: "no_such_node" });
});
