// Counts of the map to the page: what happens now, or a range of the past as it is read.
import { RequestError, type StreamRoute } from "../http/server.ts";
import { flowQuery } from "../flows/flow-query.ts";
import { followFlows } from "../relay/follow.ts";
import type { Relay } from "../relay/relay.ts";
import type { Lost } from "../shared/stream.ts";
import { MapAggregate } from "./aggregate.ts";
import type { MapNames } from "./node-of.ts";

const flushMs = 500;

/** "map": lines until the browser goes or the range has been read. */
export function mapRoute(relay: Relay, names: MapNames): StreamRoute {
  return async (parameters, writer) => {
    const query = flowQuery(parameters, Date.now());
    const bucketMs = Number(parameters.get("bucket") ?? "1000");
    if (!Number.isInteger(bucketMs) || bucketMs < 100 || bucketMs > 86_400_000)
      throw new RequestError(400, "bucket: wanted milliseconds");
    const aggregate = new MapAggregate(bucketMs, names);
    let lost: Lost[] = [];
    let readToNs = 0n;
    const flush = () => {
      // A browser that does not read gets the sums later: what waits is counts, and bounded.
      if (!writer.canWrite) return;
      const news = aggregate.takeNews();
      if (!news && lost.length === 0) return;
      writer.write({
        kind: "map",
        bucketMs,
        ...news,
        ...(lost.length > 0 ? { lost } : {}),
        ...(query.follow ? {} : { readToMs: Number(readToNs / 1_000_000n) }),
      });
      lost = [];
    };
    const timer = setInterval(flush, flushMs);
    try {
      await followFlows(relay, query, {
        signal: writer.signal,
        withoutRelay: "wait",
        handlers: {
          flow: (flow) => {
            aggregate.add(flow);
            if (flow.timeNs > readToNs) readToNs = flow.timeNs;
          },
          lost: (event) => {
            if (lost.length < 1_000) lost.push(event);
          },
          nodes: () => undefined,
          relay: (error) => writer.write({ kind: "relay", connected: error === "", error }),
          batchDone: () => undefined,
        },
      });
      flush();
    } finally {
      clearInterval(timer);
    }
    await writer.drained();
    flush();
    writer.end();
  };
}
