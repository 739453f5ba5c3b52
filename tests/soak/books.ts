// Who should be there and what everybody's books say: pods against endpoints, addresses, CiliumEndpoints, namespaces and
// files; identities against who uses them; and how much every table of the kernel holds.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BpfMap } from "@tsilium/ebpf";
import { objectKey, resources } from "@tsilium/kube";
import { isNamespaceOf } from "../../apps/lab/src/layout.ts";
import type { Cluster } from "./cluster.ts";
import { countOf } from "./samples.ts";

type EndpointRow = { pod?: { namespace: string; name: string } };
type IpamList = { allocations: { owner: string }[] };

/** Every book as sorted lines, by its name; where two say the same, pods come first. */
export type Books = Readonly<Record<string, readonly string[]>>;

/** What contradicts: "book: is ... should be ...". Empty when all agree. */
export async function contradictions(cluster: Cluster): Promise<string[]> {
  const { client } = cluster;
  const pods = await cluster.pods();
  const { items: endpoints } = await cluster.insist((signal) =>
    client.list(resources.ciliumEndpoints, { signal }),
  );
  const { items: identities } = await cluster.insist((signal) =>
    client.list(resources.ciliumIdentities, { signal }),
  );
  const { items: nodes } = await cluster.insist((signal) =>
    client.list(resources.ciliumNodes, { signal }),
  );
  const used = new Set(endpoints.map(({ status }) => String(status?.identity?.id)));
  const found = [
    ...differences("CiliumEndpoints", endpoints.map(objectKey), pods.map(objectKey)),
    ...differences(
      "CiliumNodes",
      nodes.map(({ metadata }) => metadata.name ?? ""),
      cluster.nodes,
    ),
    ...differences(
      "CiliumIdentities",
      identities.map(({ metadata }) => metadata.name ?? ""),
      [...used],
    ),
    ...differences(
      "pods' network namespaces",
      [String(podNamespaces(cluster.lab.name).length)],
      [String(pods.length)],
    ),
  ];
  for (const node of cluster.nodes) {
    const own = pods.filter(({ spec }) => spec.nodeName === node);
    found.push(...(await contradictionsOf(cluster, node, own.map(objectKey))));
    const files = readdirSync(join(cluster.layout.folder, node, "pods"));
    const uids = own.map(({ metadata }) => metadata.uid ?? "");
    found.push(
      ...differences(
        `files of pods on ${node}`,
        files.filter((name) => !name.includes(".")),
        uids,
      ),
    );
  }
  return found;
}

async function contradictionsOf(cluster: Cluster, node: string, pods: readonly string[]) {
  const [endpoints, ipam] = await Promise.all([
    cluster.lab.json<EndpointRow[]>("--node", node, "endpoint", "list"),
    cluster.lab.json<IpamList>("--node", node, "ipam", "list"),
  ]);
  const named = endpoints.map(({ pod }) => (pod ? `${pod.namespace}/${pod.name}` : "health"));
  const owners = ipam.allocations.map(({ owner }) => owner);
  // One of each family.
  const expected = [...pods, "router", "reserved:health"].flatMap((owner) => [owner, owner]);
  return [
    ...differences(`endpoints of ${node}`, named, [...pods, "health"]),
    ...differences(`addresses of ${node}`, owners, expected),
  ];
}

function differences(book: string, is: readonly string[], should: readonly string[]): string[] {
  const [found, expected] = [is.toSorted(), should.toSorted()];
  if (found.join("\n") === expected.join("\n")) return [];
  const extra = found.filter((each) => !expected.includes(each));
  const missing = expected.filter((each) => !found.includes(each));
  return [
    `${book}: ${found.length}, not ${expected.length}; too many: ${extra.join(" ") || "-"}; missing: ${missing.join(" ") || "-"}`,
  ];
}

function podNamespaces(lab: string): string[] {
  return readdirSync("/run/netns").filter(
    (name) => isNamespaceOf(lab, name) && name.includes("-pod-"),
  );
}

/** Entries of each of a node's tables but those of connections, which come and go with packets. */
export function tableCounts(cluster: Cluster, node: string): Record<string, number> {
  const folder = join(cluster.layout.bpffs, node, "maps");
  const counts: Record<string, number> = {};
  for (const pin of readdirSync(folder)) {
    using map = BpfMap.fromPinned(join(folder, pin));
    if (!["hash", "lpm_trie", "hash_of_maps"].includes(map.type)) continue;
    // The hash of its layout is no part of its name.
    counts[pin.replace(/_[0-9a-f]{8}$/, "")] = countOf(join(folder, pin));
  }
  return counts;
}

/** How many processes of each program are in the lab's cgroup. */
export function programCounts(cluster: Cluster): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const folder of readdirSync(cluster.layout.cgroup, {
    recursive: true,
    withFileTypes: true,
  })) {
    if (folder.name !== "cgroup.procs") continue;
    const pids = readFileSync(join(folder.parentPath, folder.name), "utf8").split("\n");
    for (const name of pids.filter(Boolean).map(programOf).filter(Boolean))
      counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

function programOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return ""; // it ended meanwhile
  }
}
