// What was found, as tables.
import { times, type Section } from "../../report.ts";
import { median, quantile } from "../../statistics.ts";
import type { Delay } from "../../lab/delays.ts";
import type { BenchLab } from "../../lab/lab.ts";

export type DelayRow = { readonly sentence: string; readonly delays: readonly Delay[] };

export function delaySection(rows: readonly DelayRow[], samples: number): Section {
  return {
    title: "from an accepted API write to enforced on every node (aim: p50 5 ms, p99 50 ms)",
    note: `1,000 policies, 6,000 identities, two nodes of ten pods; ${samples} writes each. Milliseconds from the API server's answer to the last node's map entry (a policy: the switch and the epoch), which is looked at every 0.2 ms. The ratio is of medians since the write was sent, against a bare watcher hearing of it.`,
    columns: ["", "p50 ms", "p99 ms", "worst", "since sent p50", "watcher p50", "x watcher"],
    rows: rows.map(delayRow),
  };
}

function delayRow({ sentence, delays }: DelayRow): string[] {
  const sinceAccepted = delays.map(({ enforcedMs, acceptedMs }) => enforcedMs - acceptedMs);
  const sinceSent = median(delays.map(({ enforcedMs }) => enforcedMs));
  const heard = median(delays.map(({ heardMs }) => heardMs));
  const milliseconds = (value: number) => value.toFixed(1);
  return [
    sentence,
    milliseconds(median(sinceAccepted)),
    milliseconds(quantile(sinceAccepted, 0.99)),
    milliseconds(Math.max(...sinceAccepted)),
    milliseconds(sinceSent),
    milliseconds(heard),
    times(sinceSent / heard),
  ];
}

export type MemoryFacts = {
  readonly lab: BenchLab;
  /** Bytes, by node. */
  readonly bare: readonly number[];
  readonly loaded: readonly number[];
  readonly settleSeconds: number;
};

export function memorySection({ lab, bare, loaded, settleSeconds }: MemoryFacts): Section {
  const megabytes = (bytes = 0) => (bytes / 2 ** 20).toFixed(0);
  return {
    title: "memory of an agent at that scale (aim: 250 MB)",
    note: `VmRSS of all its processes, MB, ${settleSeconds} s after the last write.`,
    columns: ["", "nothing in the cluster", "1,000 policies, 6,000 identities"],
    rows: lab.nodes.map(({ name }, index) => [
      name,
      megabytes(bare[index]),
      megabytes(loaded[index]),
    ]),
  };
}
