// Events of the kernel for those who follow them one by one, from what the Hubble worker hands on.
import { decodeEvent } from "@tsilium/datapath";
import type { DatapathEvent } from "@tsilium/datapath/model.ts";
import type { HubbleClient } from "./client.ts";

/** Events that a listener may lag behind before the oldest are thrown away. */
const capacity = 16_384;

/** Events from now on, until the signal aborts. A listener that is too slow loses the oldest. */
export async function* recordStream(
  client: Pick<HubbleClient, "listen">,
  signal: AbortSignal,
): AsyncGenerator<DatapathEvent> {
  let queue: DatapathEvent[] = [];
  let wake = Promise.withResolvers<void>();
  const onAbort = () => wake.resolve();
  signal.addEventListener("abort", onAbort, { once: true });
  using _listening = client.listen((records) => {
    for (const record of records) {
      const event = decodeEvent(record);
      if (event) queue.push(event);
    }
    if (queue.length > capacity) queue = queue.slice(-capacity);
    wake.resolve();
  });
  try {
    while (!signal.aborted) {
      await wake.promise;
      wake = Promise.withResolvers<void>();
      const events = queue;
      queue = [];
      yield* events;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
