import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Pod } from "@tsilium/kube";
import { cgroupRoot, labLayout, type NodeLayout } from "../layout.ts";
import { removeCgroup } from "../topology/cgroup.ts";
import { createNamespace, deleteNamespace } from "../topology/namespace.ts";
import { createSandbox, removeSandbox, SandboxLeft } from "./sandbox.ts";

const lab = `tsit${process.pid}`;

/** A node whose plugin does nothing but fail, for as long as a file is there. */
function makeNode() {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-sandbox-"));
  const node: NodeLayout = {
    ...labLayout(lab).node(1),
    pods: join(folder, "pods"),
    cniConfDir: join(folder, "conf"),
    cniBinDir: folder,
    cgroup: join(cgroupRoot(), lab),
  };
  const trouble = join(folder, "trouble");
  const plugin = join(folder, "fails");
  const script = `#!/bin/sh\n[ -e ${trouble} ] && echo '{"code":11,"msg":"no agent"}' && exit 1\n[ $CNI_COMMAND = DEL ]\n`;
  writeFileSync(plugin, script);
  chmodSync(plugin, 0o755);
  mkdirSync(node.cniConfDir);
  const config = { cniVersion: "1.1.0", name: "it", plugins: [{ type: "fails" }] };
  writeFileSync(join(node.cniConfDir, "it.conflist"), JSON.stringify(config));
  createNamespace(node.netns);
  return {
    node,
    trouble,
    [Symbol.asyncDispose]: async () => {
      deleteNamespace(node.netns);
      await removeCgroup(node.cgroup);
      rmSync(folder, { recursive: true });
    },
  };
}

const pod = { metadata: { name: "it", namespace: "a", uid: "1" }, spec: { containers: [] } };

test("a sandbox that could neither be attached nor detached is handed over, and can be removed later", async () => {
  await using place = makeNode();
  const { node, trouble } = place;
  writeFileSync(trouble, "");
  const creating = createSandbox(pod as unknown as Pod, { lab: labLayout(lab), node });
  const error = await creating.then(
    () => assert.fail("it was made"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof SandboxLeft, `${error}`);
  assert.match(error.message, /fails ADD: no agent/);
  assert.ok(existsSync(error.sandbox.netns));
  rmSync(trouble);
  await removeSandbox(node, error.sandbox);
  assert.ok(!existsSync(error.sandbox.netns));
  assert.ok(!existsSync(error.sandbox.folder));
});
