// One agent's worth of services in a process of its own, so that its memory is all theirs: everything from nothing, and
// then one more, again and again. Prints one line of JSON (Found).
//   node --expose-gc process.ts SERVICES ADDITIONS
import type { EndpointSlice, Service } from "@tsilium/kube";
import { serviceOf } from "../workload.ts";
import { ServiceNode } from "./node.ts";
import { serviceObject, sliceObject } from "./objects.ts";

export type Found = {
  readonly allMs: number;
  readonly addMs: readonly number[];
  /** Of the process' CPU, all threads and the kernel on its behalf. */
  readonly allCpuMs: number;
  readonly addCpuMs: number;
  /** VmRSS: of a process that has the code; with the objects besides; with all that was made of them. */
  readonly bareBytes: number;
  readonly objectBytes: number;
  readonly loadedBytes: number;
  readonly frontends: number;
};

const [services, additions] = process.argv.slice(2).map(Number) as [number, number];

/** A service and its slice, as a watch has them: parsed from an answer's text. */
function hear(node: ServiceNode, number: number): void {
  const service = serviceOf(number);
  const parsed = <T>(object: T) => JSON.parse(JSON.stringify(object)) as T;
  node.hear(parsed<EndpointSlice>(sliceObject(service)), parsed<Service>(serviceObject(service)));
}

function residentBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

async function timed(work: () => void | Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

async function addAll(node: ServiceNode): Promise<number[]> {
  const addMs: number[] = [];
  for (let index = 0; index < additions; index++)
    addMs.push(
      await timed(() => {
        hear(node, services + index);
        return node.settled();
      }),
    );
  return addMs;
}

async function run(): Promise<Found> {
  using node = new ServiceNode();
  const bareBytes = residentBytes();
  for (let number = 0; number < services; number++) hear(node, number);
  const objectBytes = residentBytes();
  const before = process.cpuUsage();
  const allMs = await timed(() => {
    node.complete();
    return node.settled();
  });
  const allCpuMs = cpuSince(before);
  const loadedBytes = residentBytes();
  const { frontends } = node;
  const beforeAdding = process.cpuUsage();
  const addMs = await addAll(node);
  const addCpuMs = cpuSince(beforeAdding) / additions;
  return { allMs, addMs, allCpuMs, addCpuMs, bareBytes, objectBytes, loadedBytes, frontends };
}

console.log(JSON.stringify(await run()));
