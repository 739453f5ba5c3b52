import assert from "node:assert/strict";
import { test } from "node:test";
import { attachmentOf } from "./cni/environment.ts";
import { healthAttachment, hostInterfaceName } from "./names.ts";

test("the health endpoint has Cilium's name, which no container can be given", () => {
  assert.equal(hostInterfaceName(healthAttachment), "lxc_health");
  assert.throws(() =>
    attachmentOf(
      new Map([
        ["CNI_CONTAINERID", healthAttachment.containerId],
        ["CNI_IFNAME", healthAttachment.ifName],
      ]),
    ),
  );
});

test("a container's interface is named after it and its name inside", () => {
  const one = hostInterfaceName({ containerId: "c0ffee", ifName: "eth0" });
  assert.match(one, /^lxc[0-9a-f]{12}$/);
  assert.notEqual(hostInterfaceName({ containerId: "c0ffee", ifName: "eth1" }), one);
});
