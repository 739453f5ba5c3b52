import assert from "node:assert/strict";
import { test } from "node:test";
import { endpointStates, mayBecome, wantsDatapath } from "./states.ts";
import type { EndpointState } from "./model.ts";

/** One letter per state in the order of `endpointStates`; x where the row may become the column. */
function matrix(): string {
  return endpointStates
    .map((from) => {
      const cells = endpointStates.map((to) => (from !== to && mayBecome(from, to) ? "x" : "."));
      return `${cells.join("")} ${from}`;
    })
    .join("\n");
}

test("an endpoint changes state along Cilium's life cycle only", () => {
  assert.equal(
    matrix(),
    [
      ".x.....x.x creating",
      "..x....x.x waiting-for-identity",
      ".x.x...x.. waiting-to-regenerate",
      ".xx.x.xx.. regenerating",
      ".xxx...x.. not-ready",
      ".xx....x.x restoring",
      ".xx..x.x.. ready",
      "........x. disconnecting",
      ".......... disconnected",
      ".......x.. invalid",
    ].join("\n"),
  );
});

test("every state can be left by disconnecting, and nothing leaves disconnected", () => {
  const reach = (from: EndpointState): boolean =>
    from === "disconnected" || mayBecome(from, "disconnecting") || from === "disconnecting";
  assert.deepEqual(
    endpointStates.filter((state) => !reach(state)),
    [],
  );
});

test("an endpoint without identity or on its way out is not written to the kernel", () => {
  assert.deepEqual(
    endpointStates.filter((state) => !wantsDatapath(state)),
    ["creating", "waiting-for-identity", "restoring", "disconnecting", "disconnected", "invalid"],
  );
});
