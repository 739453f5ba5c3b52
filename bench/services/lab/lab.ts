// Services through a real API server to the agents of a lab of two nodes: how long until the kernels have them, and what
// the agents take for it.
import { setTimeout as sleep } from "node:timers/promises";
import { encode } from "@tsilium/ebpf";
import { resources } from "@tsilium/kube";
import { Address } from "@tsilium/net";
import { mapCodecs } from "../../../packages/datapath/src/gen/abi.ts";
import { frontendKey } from "../../../packages/datapath/src/services/rows.ts";
import { createAll } from "../../lab/create.ts";
import { type Delay, measureDelays } from "../../lab/delays.ts";
import { BenchLab } from "../../lab/lab.ts";
import { pinnedEntry } from "../../lab/map-entry.ts";
import { type Entry, MapWatch } from "../../lab/map-watch.ts";
import type { Section } from "../../report.ts";
import { median, quantile } from "../../statistics.ts";
import { serviceObject, sliceObject } from "../control/objects.ts";
import { type BenchService, serviceOf } from "../workload.ts";

export type LabOptions = {
  /** Writes that are timed, at each size. */
  readonly samples: number;
};

type Found = {
  readonly services: number;
  readonly createdMs: number;
  /** From the last answer to all being in every kernel. */
  readonly behindMs: number;
  readonly cpuMs: number;
  readonly bytes: number;
  readonly delays: readonly Delay[];
};

const tcp = 6;
/** From the last write until memory is looked at. */
const settleMs = 3000;

export async function benchServicesInLab(
  sizes: readonly number[],
  { samples }: LabOptions,
): Promise<Section[]> {
  await using lab = await BenchLab.up();
  await using watch = new MapWatch();
  const bareBytes = worst(lab, (node) => node.agentBytes());
  const found: Found[] = [];
  let next = 0;
  const take = (count: number) => Array.from({ length: count }, () => serviceOf(next++));
  for (const size of sizes) {
    const filled = await fill(lab, take(size - next));
    const delays = await addOneByOne({ lab, watch }, take(samples));
    await sleep(settleMs);
    const bytes = worst(lab, (node) => node.agentBytes());
    found.push({ services: size, ...filled, bytes, delays });
  }
  return [section(found, { bareBytes, samples })];
}

async function fill(
  lab: BenchLab,
  services: readonly BenchService[],
): Promise<Pick<Found, "createdMs" | "behindMs" | "cpuMs">> {
  const cpuBefore = lab.nodes.map((node) => node.agentCpuMs());
  const startMs = performance.now();
  let createdMs = 0;
  await lab.force(async () => {
    await create(lab, services);
    createdMs = performance.now() - startMs;
  });
  const behindMs = performance.now() - startMs - createdMs;
  const cpuMs = Math.max(
    ...lab.nodes.map((node, index) => node.agentCpuMs() - (cpuBefore[index] as number)),
  );
  return { createdMs, behindMs, cpuMs };
}

async function create({ client }: BenchLab, services: readonly BenchService[]): Promise<void> {
  await makeNamespaces(client, services);
  await createAll(client, resources.endpointSlices, services.map(sliceObject));
  await createAll(client, resources.services, services.map(serviceObject));
}

/** Those that are not there yet. */
async function makeNamespaces(
  client: BenchLab["client"],
  services: readonly BenchService[],
): Promise<void> {
  const signal = AbortSignal.timeout(30_000);
  const { items } = await client.list(resources.namespaces, { signal });
  const known = new Set(items.map(({ metadata }) => metadata.name));
  const wanted = new Set(services.map(({ namespace }) => namespace));
  const missing = [...wanted].filter((name) => !known.has(name));
  await createAll(
    client,
    resources.namespaces,
    missing.map((name) => ({ metadata: { name } })),
  );
}

/** Their slices are there: each service is one write, and one change of every kernel. */
async function addOneByOne(
  { lab, watch }: { readonly lab: BenchLab; readonly watch: MapWatch },
  services: readonly BenchService[],
): Promise<Delay[]> {
  const { client, nodes } = lab;
  await makeNamespaces(client, services);
  await createAll(client, resources.endpointSlices, services.map(sliceObject));
  const signal = new AbortController().signal;
  const at = (sample: number) => services[sample] as BenchService;
  return await measureDelays(client, watch, {
    resource: resources.services,
    samples: services.length,
    entries: (sample) => nodes.map(({ bpffs }) => frontendOf(bpffs, at(sample))),
    write: (sample) => client.create(resources.services, serviceObject(at(sample)), { signal }),
  });
}

/** What is written last of a new service. */
function frontendOf(bpffs: string, { clusterIp, port }: BenchService): Entry {
  const key = frontendKey({ address: Address.parse(clusterIp), port, protocol: tcp });
  return pinnedEntry(bpffs, "tsi_lb_frontend", encode(mapCodecs.tsi_lb_frontend.key, key));
}

function worst(lab: BenchLab, of: (node: BenchLab["nodes"][number]) => number): number {
  return Math.max(...lab.nodes.map(of));
}

function section(
  found: readonly Found[],
  { bareBytes, samples }: { readonly bareBytes: number; readonly samples: number },
): Section {
  const seconds = (ms: number) => (ms / 1000).toFixed(2);
  const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
  const enforced = ({ enforcedMs }: Delay) => enforcedMs;
  const heard = ({ heardMs }: Delay) => heardMs;
  const sinceAccepted = ({ delays }: Found) =>
    delays.map(({ enforcedMs, acceptedMs }) => enforcedMs - acceptedMs);
  const rows: readonly (readonly [string, (one: Found) => string])[] = [
    ["created through the API, s", ({ createdMs }) => seconds(createdMs)],
    [
      "after the last of them, until all are in every kernel, s",
      ({ behindMs }) => seconds(behindMs),
    ],
    ["CPU of the agent for them, s", ({ cpuMs }) => seconds(cpuMs)],
    ["VmRSS of the agent, MB", ({ bytes }) => megabytes(bytes)],
    [
      "one more, since accepted, p50 ms (aim: under 5)",
      (one) => median(sinceAccepted(one)).toFixed(1),
    ],
    ["p99 ms", (one) => quantile(sinceAccepted(one), 0.99).toFixed(1)],
    ["since sent, p50 ms", ({ delays }) => median(delays.map(enforced)).toFixed(1)],
    [
      "a watcher hears of it, since sent, p50 ms",
      ({ delays }) => median(delays.map(heard)).toFixed(1),
    ],
  ];
  return {
    title: "services in a lab",
    note: `By number of services, each of an EndpointSlice with two endpoints. Two nodes, the worse of them; without services an agent has ${megabytes(bareBytes)} MB. One more: ${samples} services created, milliseconds until the last node has its frontend; negative where that is before the API server's answer has come.`,
    columns: ["", ...found.map(({ services }) => services.toLocaleString("en"))],
    rows: rows.map(([sentence, text]) => [sentence, ...found.map(text)]),
  };
}
