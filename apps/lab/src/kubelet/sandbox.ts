// Where a pod's containers live: a network namespace attached by CNI (or the node's own), a cgroup, a folder.
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Pod } from "@tsilium/kube";
import { Rtnl } from "@tsilium/netlink";
import type { LabLayout, NodeLayout } from "../layout.ts";
import { makeCgroup, removeCgroup } from "../topology/cgroup.ts";
import { createNamespace, deleteNamespace } from "../topology/namespace.ts";
import { type Attachment, cniAdd, cniDel, CniError, type CniResult } from "./cni.ts";

export type Sandbox = {
  readonly id: string;
  readonly netns: string;
  readonly cgroup: string;
  /** Logs, volumes, resolv.conf, hosts. */
  readonly folder: string;
  /** The pod's addresses, IPv4 first. */
  readonly ips: readonly string[];
  /** undefined in the host's network. */
  readonly attachment: Attachment | undefined;
  readonly result: CniResult | undefined;
};

export type SandboxPlace = {
  readonly lab: LabLayout;
  readonly node: NodeLayout;
};

/** A sandbox was not made, and what there was of it could not be removed: whoever asked for it must do that later. */
export class SandboxLeft extends Error {
  readonly code = "sandbox_left";
  readonly sandbox: Sandbox;

  /** @param cause why it was not made */
  constructor(sandbox: Sandbox, cause: unknown) {
    super((cause as Error).message, { cause });
    this.name = "SandboxLeft";
    this.sandbox = sandbox;
  }
}

/** Makes a pod's sandbox. Undone by itself when it fails. @throws CniError, SandboxLeft when that failed, too */
export async function createSandbox(pod: Pod, place: SandboxPlace): Promise<Sandbox> {
  const { lab, node } = place;
  const { uid = "", name = "", namespace = "" } = pod.metadata;
  const id = randomBytes(32).toString("hex");
  const folder = join(node.pods, uid);
  const cgroup = join(node.cgroup, "pods", uid);
  mkdirSync(folder, { recursive: true });
  makeCgroup(cgroup);
  const common = { id, cgroup, folder };
  if (pod.spec.hostNetwork) {
    const ips = [node.ipv4, node.ipv6];
    return { ...common, netns: node.netns, ips, attachment: undefined, result: undefined };
  }
  const netns = lab.podNetns(id.slice(0, 12));
  const attachment = {
    containerId: id,
    netns,
    podName: name,
    podNamespace: namespace,
    podUid: uid,
  };
  createNamespace(netns);
  try {
    using rtnl = Rtnl.open({ netns });
    rtnl.links.set("lo", { up: true });
    const result = await cniAdd(node, attachment);
    return { ...common, netns, ips: ipsOf(result), attachment, result };
  } catch (error) {
    const left = { ...common, netns, ips: [], attachment, result: undefined };
    await removeSandbox(node, left).catch(() => {
      throw new SandboxLeft(left, error);
    });
    throw error;
  }
}

/**
 * Ends everything in a sandbox and removes it. A plugin that refuses DEL is asked again by the next call.
 * @throws CniError
 */
export async function removeSandbox(node: NodeLayout, sandbox: Sandbox): Promise<void> {
  await removeCgroup(sandbox.cgroup);
  if (sandbox.attachment) {
    await cniDel(node, sandbox.attachment, sandbox.result).catch((error: unknown) => {
      // Without a plugin there is nobody who could have attached it.
      if (!(error instanceof CniError && error.code === "plugin_missing")) throw error;
    });
    deleteNamespace(sandbox.netns);
  }
  rmSync(sandbox.folder, { recursive: true, force: true });
}

function ipsOf(result: CniResult): string[] {
  const ips = (result.ips ?? []).map(({ address }) => address.replace(/\/\d+$/, ""));
  return ips.toSorted((a, b) => Number(a.includes(":")) - Number(b.includes(":")));
}
