// Runs containerd and the small kubelet on a node of a lab, until Ctrl-C: the tests' peer, by hand (docs/containerd.md).
//   tools/with-node.sh node tests/peers/cri/main.ts [LAB] [node-N]
import { once } from "node:events";
import { nodeNumber } from "../../../apps/lab/src/context.ts";
import { runningLab } from "../../../apps/lab/src/state.ts";
import { RuntimeNode } from "./runtime-node.ts";

const [lab = process.env["TSILIUM_LAB"] ?? "lab", node = "node-1"] = process.argv.slice(2);
const ending = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => ending.abort());

// With words of what to do where there is no such lab.
runningLab(lab);
{
  await using runtime = await RuntimeNode.start(lab, nodeNumber(node));
  console.log(`containerd serves ${node} of lab "${lab}": CRI at ${runtime.containerd.socket}`);
  console.log('It runs pods with runtimeClassName "containerd". Ctrl-C ends it and them.');
  const alive = setInterval(() => undefined, 60_000);
  if (!ending.signal.aborted) await once(ending.signal, "abort");
  clearInterval(alive);
}
