// How much a node's services take: prints heap and time for 50,000 of them, and for one that changes among them.
//   node --expose-gc packages/loadbalancer/src/testing/memory.ts [services] [endpoints each]
import { Address } from "@tsilium/net";
import { ServiceBook } from "../book/book.ts";
import { decideService } from "../decide/service.ts";
import { context, service, slice } from "./build.ts";

const count = Number(process.argv[2] ?? 50_000);
const endpoints = Number(process.argv[3] ?? 3);

function used(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

function told(what: string, before: number, start: number): void {
  const bytes = used() - before;
  const each = (bytes / count / 1024).toFixed(2);
  const ms = (performance.now() - start).toFixed(0);
  console.log(`${what}: ${(bytes / 2 ** 20).toFixed(1)} MiB, ${each} KiB a service, ${ms} ms`);
}

const at = (base: string, index: number) => `${Address.parse(base).add(index)}`;

function objectsOf(index: number) {
  const name = `service-${index}`;
  const pods = Array.from({ length: endpoints }, (_, pod) =>
    at("10.0.0.0", index * endpoints + pod + 1),
  );
  return {
    service: service({ name, spec: { clusterIP: at("172.16.0.1", index) } }),
    slices: [slice(pods, { name: `${name}-abcde`, service: name })],
  };
}

let start = performance.now();
let before = used();
const objects = Array.from({ length: count }, (_, index) => objectsOf(index));
told("objects, as an agent's tables hold them", before, start);

start = performance.now();
before = used();
const cpu = process.cpuUsage();
const book = new ServiceBook({ maglevTableSize: 16_381, maglevSeed: 1, maxSets: 524_287 });
for (const each of objects) {
  const decided = decideService(each.service, each.slices, context);
  if (decided) book.set(decided);
}
const changes = book.changes();
const ms = performance.now() - start;
const cpuMs = process.cpuUsage(cpu).user / 1000;
console.log(
  `${changes.frontends.put.length} frontends, ${changes.sets.put.length} sets, ${changes.backends.put.length} backends decided in ${ms.toFixed(0)} ms (CPU ${cpuMs.toFixed(0)} ms)`,
);
book.applied();
told("parsed objects, decisions and the book", before, start);

const times = Array.from({ length: 100 }, (_, round) => {
  const changed = objectsOf(round * 7);
  const from = performance.now();
  const decided = decideService(
    changed.service,
    changed.slices.map((each) => ({ ...each, endpoints: [] })),
    context,
  );
  if (decided) book.set(decided);
  book.changes();
  book.applied();
  return performance.now() - from;
}).toSorted((a, b) => a - b);
console.log(
  `one service that changes: p50 ${times[50]?.toFixed(3)} ms, p99 ${times[98]?.toFixed(3)} ms`,
);
