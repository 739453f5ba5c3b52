// Ten million flows on disk: what a flow takes there, how fast they are kept, and how long questions take.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { History } from "@tsilium/hubble/history/index.ts";
import { compileFilters } from "@tsilium/hubble/filter/index.ts";
import type { FlowMatcher } from "@tsilium/hubble/model.ts";
import { create } from "@bufbuild/protobuf";
import { FlowFilterSchema, Verdict } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import { BusyNode } from "../../packages/hubble/src/history/testing/flows.ts";
import type { Section } from "../report.ts";

const batch = 10_000;
const mib = 2 ** 20;

/** @param count how many flows, of one node and its 200 pods */
export async function benchHistory(count: number): Promise<Section[]> {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-bench-history-"));
  try {
    const history = await History.open({
      folder,
      maxBytes: 4096 * mib,
      dropsMaxBytes: 1024 * mib,
      maxAgeMs: 10 * 365 * 86_400_000,
    });
    try {
      const appended = await fill(history, count);
      return [stored(history, count, appended), await questions(history)];
    } finally {
      await history.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** CPU milliseconds of the keeping alone. */
async function fill(history: History, count: number): Promise<number> {
  const node = new BusyNode({ seed: 1, storeId: history.storeId, rate: 5000 });
  let spentMs = 0;
  for (let made = 0; made < count; made += batch) {
    const flows = node.next(batch);
    const start = process.cpuUsage();
    history.append(flows);
    await setImmediate();
    const { user, system } = process.cpuUsage(start);
    spentMs += (user + system) / 1000;
  }
  await history.flush();
  return spentMs;
}

function stored(history: History, count: number, appendedMs: number): Section {
  const { bytes, flows, segments, lostFlows } = history.statistics();
  return {
    title: "Flows on disk (aim: at most 60 bytes each)",
    note: `${count.toLocaleString("en")} flows of a node with 200 pods, both families, ephemeral ports, policies on verdicts, drops in files of their own.`,
    columns: ["", ""],
    rows: [
      ["bytes per flow", (bytes / flows).toFixed(1)],
      ["MiB in all", (bytes / mib).toFixed(0)],
      ["files", segments],
      ["lost", lostFlows],
      ["kept per CPU second", Math.round(count / (appendedMs / 1000)).toLocaleString("en")],
    ],
  };
}

async function questions(history: History): Promise<Section> {
  const filter = (fields: Parameters<typeof create<typeof FlowFilterSchema>>[1]) =>
    compileFilters({ whitelist: [create(FlowFilterSchema, fields)], blacklist: [] });
  const asked: readonly (readonly [string, FlowMatcher, number])[] = [
    ["the last 100", compileFilters({ whitelist: [], blacklist: [] }), 100],
    ["the last 100 dropped", filter({ verdict: [Verdict.DROPPED] }), 100],
    ["the last 100 of one pod", filter({ sourcePod: ["team-1/"] }), 100],
    ["all that were dropped", filter({ verdict: [Verdict.DROPPED] }), Infinity],
    ["all to one port, through everything", filter({ destinationPort: ["5432"] }), Infinity],
    ["everything, decoded", compileFilters({ whitelist: [], blacklist: [] }), Infinity],
  ];
  const rows = [];
  for (const [name, matcher, most] of asked) rows.push(await ask(history, { name, matcher, most }));
  return {
    title: "Questions to that history",
    note: "Newest first, in one thread; the longest stretch is for how long other work of the thread waited.",
    columns: ["", "flows found", "ms", "longest stretch ms"],
    rows,
  };
}

type Asked = { readonly name: string; readonly matcher: FlowMatcher; readonly most: number };

async function ask(history: History, { name, matcher, most }: Asked) {
  const signal = new AbortController().signal;
  const query = {
    matcher,
    belowSequence: Number.MAX_SAFE_INTEGER,
    sinceNs: undefined,
    untilNs: undefined,
  };
  const stretch = new Stretch();
  const start = performance.now();
  let found = 0;
  for await (const flows of history.newestFirst(query, signal)) {
    found += flows.length;
    if (found >= most) break;
  }
  const ms = performance.now() - start;
  return [name, found.toLocaleString("en"), ms.toFixed(1), stretch.end().toFixed(0)];
}

/** The longest time in which a timer of this thread had no turn. */
class Stretch {
  #last = performance.now();
  #longest = 0;
  readonly #timer = setInterval(() => this.#note(), 1);

  end(): number {
    clearInterval(this.#timer);
    this.#note();
    return this.#longest;
  }

  #note(): void {
    const now = performance.now();
    this.#longest = Math.max(this.#longest, now - this.#last);
    this.#last = now;
  }
}
