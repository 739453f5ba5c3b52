// A history in a folder that goes away, and what queries answer.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Flow, FlowHistory, FlowMatcher, HistoryQuery } from "../../model.ts";
import { History } from "../history.ts";
import type { HistoryOptions } from "../model.ts";

export class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "tsilium-history-"));

  /** Large budgets, and a flush only when asked for. */
  open(options: Partial<HistoryOptions> = {}): Promise<History> {
    return History.open({
      folder: this.path,
      maxBytes: 64 << 20,
      dropsMaxBytes: 16 << 20,
      maxAgeMs: 1e15,
      flushIntervalMs: 1e9,
      ...options,
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export const anything: FlowMatcher = { matches: () => true, mayMatch: () => true };

export async function all(
  history: FlowHistory,
  order: "newest" | "oldest",
  query: Partial<HistoryQuery> = {},
): Promise<Flow[]> {
  const found: Flow[] = [];
  const whole: HistoryQuery = {
    matcher: anything,
    belowSequence: Infinity,
    sinceNs: undefined,
    untilNs: undefined,
    ...query,
  };
  const { signal } = new AbortController();
  const batches =
    order === "newest" ? history.newestFirst(whole, signal) : history.oldestFirst(whole, signal);
  for await (const flows of batches) found.push(...flows);
  return found;
}
