// What may be lost, and what may not. Pure: measurements in, complaints out.
import type { HeldResult, TrafficResult } from "./traffic.ts";
import type { Gap } from "./flow.ts";
import type { Fault } from "./faults.ts";
import type { ProcessSample, TableSample } from "./samples.ts";

/** Packets that were lost, and what happened at that time. */
export type Loss = {
  readonly who: string;
  readonly count: number;
  /** Of the first, after the beginning. */
  readonly atMs: number;
  readonly during: string;
  /** A node on their way had its tables replaced by others that are laid out differently, and they were not TCP's. */
  readonly isExcused: boolean;
};

type Times = { readonly begunNs: bigint; readonly faults: readonly Fault[] };

/** Every packet of the flows and of what policy allows that did not arrive. */
export function losses({ flows, allowedKnocks }: TrafficResult, times: Times): Loss[] {
  const found = flows.flatMap(({ who, protocol, nodes, gaps }) =>
    gaps.map((gap) => lossOf(gap, { who, nodes, isTcp: protocol === "tcp" }, times)),
  );
  for (const { who, nodes, gaps, sent, arrived } of allowedKnocks) {
    const told = gaps.reduce((sum, { count }) => sum + count, 0);
    found.push(...gaps.map((gap) => lossOf(gap, { who, nodes, isTcp: false }, times)));
    // Before the first that arrived, or after the last.
    const others = sent - arrived - told;
    if (others !== 0)
      found.push({ who, count: others, atMs: 0, during: "first or last", isExcused: false });
  }
  return found;
}

type Way = { readonly who: string; readonly nodes: readonly string[]; readonly isTcp: boolean };

function lossOf({ count, afterNs, beforeNs }: Gap, { who, nodes, isTcp }: Way, times: Times): Loss {
  const during = times.faults.filter(({ fromNs, toNs }) => fromNs <= beforeNs && toNs >= afterNs);
  const isExcused =
    !isTcp && during.some(({ relaidOut }) => relaidOut.some((node) => nodes.includes(node)));
  return {
    who,
    count,
    atMs: Number((afterNs - times.begunNs) / 1_000_000n),
    during: during.map(({ kind, processes }) => `${kind} (${processes})`).join(", ") || "no fault",
    isExcused,
  };
}

/**
 * Connections through services that broke or moved, and answers that did not come; UDP's may be lost where the tables of a
 * node on their way are laid out anew.
 */
export function heldComplaints(held: readonly HeldResult[], faults: readonly Fault[]): string[] {
  return held.flatMap(({ who, nodes, flows }) => {
    const relayouts = faults.filter(({ relaidOut }) => relaidOut.some((at) => nodes.includes(at)));
    const isExcused = (ns: bigint) =>
      relayouts.some(({ fromNs, toNs }) => fromNs - answerNs <= ns && ns <= toNs);
    return flows.flatMap((flow, at) => {
      const { broken, reason, moves, reopened, requests, answers, longestMs } = flow;
      const excused = flow.unansweredNs.filter(isExcused).length;
      // The last request's answer may be on its way.
      const isWhole = !broken && moves === 0 && reopened === 0 && requests - answers - excused <= 1;
      if (isWhole) return [];
      const facts = { broken, reason, moves, reopened, requests, answers, excused, longestMs };
      return [`${who} #${at}: ${JSON.stringify(facts)}`];
    });
  });
}

/** A request may have been on its way for so long when its answer was lost. */
const answerNs = 100_000_000n;

/** Growth of a process's memory from the first to the last part of a time in which it was not restarted. */
export type Growth = {
  readonly process: string;
  /** How old it was at first. */
  readonly ageMs: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly firstKiB: number;
  readonly lastKiB: number;
  /** The most that earlier lives took; 0: there are none. */
  readonly earlierKiB: number;
  readonly firstDescriptors: number;
  readonly lastDescriptors: number;
  readonly samples: number;
};

/** Less says nothing: a heap takes minutes to find its size. */
const leastAgeMs = 60_000;
const leastObservedMs = 180_000;
/** Garbage that is not collected yet, pages that the allocator keeps. */
const memoryBound = { factor: 1.1, extraKiB: 12 * 1024 };
/** Connections to each other are pools that breathe. */
const descriptorSlack = 24;
/** Whatever the time. */
const mostKiB = 400 * 1024;

/** Of each process's last life, without its first `warmUpMs`: medians of its first and of its last third. */
export function growths(samples: readonly ProcessSample[], warmUpMs: number): Growth[] {
  const names = new Set(samples.map(({ process }) => process));
  return [...names].flatMap((name) => {
    const own = samples.filter(({ process }) => process === name);
    const life = own.filter(({ pid, ageMs }) => pid === own.at(-1)?.pid && ageMs >= warmUpMs);
    const third = Math.floor(life.length / 3);
    if (third === 0) return [];
    return {
      process: name,
      ageMs: life[0]?.ageMs ?? 0,
      fromMs: life[0]?.atMs ?? 0,
      toMs: life.at(-1)?.atMs ?? 0,
      firstKiB: median(life.slice(0, third).map(({ rssKiB }) => rssKiB)),
      lastKiB: median(life.slice(-third).map(({ rssKiB }) => rssKiB)),
      earlierKiB: Math.max(
        0,
        ...own.filter(({ pid }) => pid !== own.at(-1)?.pid).map(({ rssKiB }) => rssKiB),
      ),
      firstDescriptors: median(life.slice(0, third).map(({ descriptors }) => descriptors)),
      lastDescriptors: median(life.slice(-third).map(({ descriptors }) => descriptors)),
      samples: life.length,
    };
  });
}

/** Processes that take more and more. */
export function growthComplaints(growths: readonly Growth[]): string[] {
  return growths.flatMap((growth) => {
    const { process, firstKiB, lastKiB, earlierKiB, firstDescriptors, lastDescriptors } = growth;
    const observed = growth.ageMs >= leastAgeMs && growth.toMs - growth.fromMs >= leastObservedMs;
    // Collections of a heap may be minutes apart: what lives of a minute or two have taken is no growth.
    const flat = Math.max(firstKiB * memoryBound.factor + memoryBound.extraKiB, earlierKiB);
    const bound = observed ? flat : mostKiB;
    return [
      ...(lastKiB > Math.min(bound, mostKiB) ? [`${process}: ${firstKiB} -> ${lastKiB} KiB`] : []),
      ...(observed && lastDescriptors > firstDescriptors + descriptorSlack
        ? [`${process}: ${firstDescriptors} -> ${lastDescriptors} descriptors`]
        : []),
    ];
  });
}

/** The most entries in the second and in the last third of the time. */
export function tableGrowths(samples: readonly TableSample[]) {
  const nodes = [...new Set(samples.map(({ node }) => node))];
  return nodes.map((node) => {
    const own = samples.filter((each) => each.node === node);
    const third = Math.floor(own.length / 3);
    const most = (part: readonly TableSample[], what: "connections" | "translations") =>
      Math.max(0, ...part.map((each) => each[what]));
    const [middle, last] = [own.slice(third, 2 * third), own.slice(-third)];
    return {
      node,
      connections: [most(middle, "connections"), most(last, "connections")] as const,
      translations: [most(middle, "translations"), most(last, "translations")] as const,
    };
  });
}

type TableGrowth = ReturnType<typeof tableGrowths>[number];

/** What comes and goes at a steady pace may vary by so much. */
const tableBound = { factor: 1.5, extra: 2_000 };

/** Tables of connections that fill up. */
export function tableComplaints(growths: readonly TableGrowth[]): string[] {
  return growths.flatMap((growth) =>
    (["connections", "translations"] as const).flatMap((what) => {
      const [middle, last] = growth[what];
      return last > middle * tableBound.factor + tableBound.extra
        ? [`${growth.node}: ${middle} -> ${last} ${what}`]
        : [];
    }),
  );
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
