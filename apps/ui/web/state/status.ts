// The cluster's state for the head of the page, asked every few seconds while somebody looks.
import { ask } from "../api/client.ts";
import { noteRelay, noteServer } from "./connection.ts";
import { Store } from "./store.ts";
import type { Status } from "../../src/shared/status.ts";

export const status = new Store<Status | undefined>(undefined);

const everyMs = 5_000;

export function followStatus(): () => void {
  const stopped = new AbortController();
  void (async () => {
    while (!stopped.signal.aborted) {
      if (!document.hidden) await askOnce(stopped.signal);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();
  return () => stopped.abort();
}

async function askOnce(signal: AbortSignal): Promise<void> {
  try {
    const answer = await ask<Status>(
      "status",
      new URLSearchParams(),
      AbortSignal.any([signal, AbortSignal.timeout(4_000)]),
    );
    status.set(answer);
    noteServer("connected");
    noteRelay(answer.relay.error);
  } catch (error) {
    if (!signal.aborted && (error as { status?: number }).status !== 401) noteServer("lost");
  }
}
