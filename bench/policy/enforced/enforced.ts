// From an API write to every node's kernel, at 1,000 policies and 6,000 identities; and what the agents take by then.
import { setTimeout as sleep } from "node:timers/promises";
import { resources } from "@tsilium/kube";
import { createAll } from "../../lab/create.ts";
import { measureDelays } from "../../lab/delays.ts";
import { BenchLab, type LabNode } from "../../lab/lab.ts";
import { type Entry, MapWatch } from "../../lab/map-watch.ts";
import type { Section } from "../../report.ts";
import { changedPolicy } from "../workload/changed.ts";
import {
  apps,
  appOf,
  identityObject,
  namespaceName,
  namespaceObjects,
} from "../workload/cluster.ts";
import { crowdPolicies } from "../workload/crowd.ts";
import { spreadPolicies, type PolicyObject } from "../workload/spread.ts";
import { createPolicies, deletePolicies } from "./bulk.ts";
import { knownEntry, switchEntries } from "./map-entries.ts";
import { delaySection, type DelayRow, memorySection } from "./sections.ts";

export type EnforcedOptions = {
  /** Writes of each kind that are timed. */
  readonly samples: number;
  /** From the end of all writes until memory is looked at. */
  readonly settleSeconds: number;
};

const namespace = namespaceName(0);
const probeLabels = { app: "probe", tier: "front" };
const probes = { matchLabels: { app: "probe" } };
const policyCount = 1000;
/** Beside the probe, each of another namespace. */
const podsPerNode = 9;

export async function benchEnforced(options: EnforcedOptions): Promise<Section[]> {
  await using lab = await BenchLab.up();
  await using watch = new MapWatch();
  const bare = lab.nodes.map((node) => node.agentBytes());
  const spread = spreadPolicies(policyCount - 1);
  const crowd = crowdOnProbes();
  const bench = { lab, watch, options };

  await fill(lab);
  await lab.force(() => createPolicies(lab.client, spread));
  const rows = [
    await policyRow(bench, {
      sentence: "policy changed, 1,000 policies all over the cluster",
      firstVersion: 1,
    }),
    await identityRow(bench),
  ];
  await sleep(options.settleSeconds * 1000);
  const loaded = lab.nodes.map((node) => node.agentBytes());

  await lab.force(() => deletePolicies(lab.client, spread));
  await lab.force(() => createPolicies(lab.client, crowd));
  rows.push(
    await policyRow(bench, {
      sentence: "policy changed, all 1,000 policies on one pod",
      firstVersion: 1 + options.samples,
    }),
  );
  return [
    delaySection(rows, options.samples),
    memorySection({ lab, bare, loaded, settleSeconds: options.settleSeconds }),
  ];
}

type Bench = {
  readonly lab: BenchLab;
  readonly watch: MapWatch;
  readonly options: EnforcedOptions;
};

/** Namespaces, identities and pods; the policy that will be changed. */
async function fill(lab: BenchLab): Promise<void> {
  const { client } = lab;
  await createAll(client, resources.namespaces, namespaceObjects());
  await createAll(client, resources.ciliumIdentities, apps().map(identityObject));
  for (const node of lab.nodes) {
    await lab.createPod({ name: probeOn(node), namespace, labels: probeLabels }, node.name);
    for (let number = 1; number <= podsPerNode; number++) {
      const app = appOf(number);
      const pod = { name: `${node.name}-${app.name}`, labels: app.podLabels };
      await lab.createPod({ ...pod, namespace: app.namespace }, node.name);
    }
  }
  await createPolicies(client, [changedPolicy(probes, 0)]);
  await lab.ready();
}

function probeOn(node: LabNode): string {
  return `probe-${node.name}`;
}

function crowdOnProbes(): PolicyObject[] {
  const everybody = [{ matchLabels: { app: "probe" } }];
  return crowdPolicies({
    namespace,
    name: "crowd",
    selector: probes,
    rules: policyCount - 1,
    rulesPerPolicy: 1,
    allowed: { ingress: { fromEndpoints: everybody }, egress: { toEndpoints: everybody } },
  });
}

type PolicyTrial = {
  readonly sentence: string;
  /** Versions of the policy from here on were not written yet. */
  readonly firstVersion: number;
};

async function policyRow(
  { lab, watch, options }: Bench,
  { sentence, firstVersion }: PolicyTrial,
): Promise<DelayRow> {
  const { client, nodes } = lab;
  const signal = new AbortController().signal;
  const entries: Entry[] = [];
  for (const node of nodes) {
    const name = probeOn(node);
    const { status } = await client.get(resources.pods, name, { namespace, signal });
    entries.push(...switchEntries(node.bpffs, status?.podIP ?? ""));
  }
  const delays = await measureDelays(client, watch, {
    resource: resources.ciliumNetworkPolicies,
    samples: options.samples,
    entries: () => entries,
    write: (sample) =>
      client.replace(
        resources.ciliumNetworkPolicies,
        changedPolicy(probes, firstVersion + sample),
        { signal },
      ),
  });
  return { sentence, delays };
}

async function identityRow({ lab, watch, options }: Bench): Promise<DelayRow> {
  const { client, nodes } = lab;
  const signal = new AbortController().signal;
  const newcomer = (sample: number) => appOf(apps().length + sample);
  const delays = await measureDelays(client, watch, {
    resource: resources.ciliumIdentities,
    samples: options.samples,
    entries: (sample) => nodes.map(({ bpffs }) => knownEntry(bpffs, newcomer(sample).identity)),
    write: (sample) =>
      client.create(resources.ciliumIdentities, identityObject(newcomer(sample)), { signal }),
  });
  return { sentence: "identity created, known with its classes", delays };
}
