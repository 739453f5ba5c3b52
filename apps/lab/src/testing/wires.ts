// A lab's namespaces and wires for one test, and nothing that runs on them.
import { mkdirSync } from "node:fs";
import { mount } from "@tsilium/syscall";
import { type LabLayout, labLayout, type NodeLayout } from "../layout.ts";
import { LabLock } from "../lock.ts";
import { sweepLab } from "../sweep.ts";
import { makeCgroup } from "../topology/cgroup.ts";
import { prepareNamespaceFolder } from "../topology/namespace.ts";
import { createTopology } from "../topology/topology.ts";

export type Wires = AsyncDisposable & {
  readonly lab: LabLayout;
  readonly nodes: readonly NodeLayout[];
};

/** Named by the process. The lock tells labs that start meanwhile that this one has not crashed. */
export function layWires(nodeCount: number): Wires {
  const lab = labLayout(`tsit-${process.pid}`);
  const nodes = Array.from({ length: nodeCount }, (_, at) => lab.node(at + 1));
  const lock = LabLock.tryTake(lab);
  if (!lock) throw new Error(`lab ${lab.name} is somebody's`);
  prepareNamespaceFolder();
  mkdirSync(lab.bpffs, { recursive: true });
  mount({ source: "bpf", target: lab.bpffs, type: "bpf" });
  makeCgroup(lab.cgroup);
  createTopology(lab, nodes);
  return {
    lab,
    nodes,
    [Symbol.asyncDispose]: async () => {
      await sweepLab(lab);
      lock[Symbol.dispose]();
    },
  };
}
