import assert from "node:assert/strict";
import { test } from "node:test";
import { datapathDuty, endpointStates, mayBecome } from "./states.ts";
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

test("an endpoint that awaits an identity keeps what the kernel has, one that goes away loses it", () => {
  const by = (duty: string) => endpointStates.filter((state) => datapathDuty(state) === duty);
  assert.deepEqual(by("write"), ["waiting-to-regenerate", "regenerating", "not-ready", "ready"]);
  assert.deepEqual(by("leave"), ["creating", "waiting-for-identity", "restoring"]);
  assert.deepEqual(by("remove"), ["disconnecting", "disconnected", "invalid"]);
});
