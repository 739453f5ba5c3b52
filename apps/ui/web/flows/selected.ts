// The flow that the URL names: from the list, or, when somebody sent the address, from the server.
import { useEffect, useState } from "react";
import { FlowDecoder, type SeenFlow } from "../../src/shared/seen-flow.ts";
import type { FlowsLine } from "../../src/shared/stream.ts";
import { ask } from "../api/client.ts";
import type { FlowFeed } from "../state/flow-feed.ts";

export function useSelectedFlow(
  feed: FlowFeed,
  uuid: string | undefined,
  timeNs: string | null,
): SeenFlow | undefined {
  const [flow, setFlow] = useState<SeenFlow | undefined>();
  useEffect(() => {
    if (uuid === undefined) {
      setFlow(undefined);
      return undefined;
    }
    const listed = inList(feed, uuid);
    if (listed) {
      setFlow(listed);
      return undefined;
    }
    const stopped = new AbortController();
    askFor(uuid, timeNs, stopped.signal).then(setFlow, () => undefined);
    return () => stopped.abort();
  }, [feed, uuid, timeNs]);
  return uuid === undefined || flow?.uuid !== uuid ? undefined : flow;
}

function inList(feed: FlowFeed, uuid: string): SeenFlow | undefined {
  const { length } = feed.get();
  for (let at = 0; at < length; at++) {
    const row = feed.row(at);
    if (row?.kind === "flow" && row.flow.uuid === uuid) return row.flow;
  }
  return undefined;
}

async function askFor(
  uuid: string,
  timeNs: string | null,
  signal: AbortSignal,
): Promise<SeenFlow | undefined> {
  const query = new URLSearchParams({ uuid, ...(timeNs === null ? {} : { time: timeNs }) });
  const line = await ask<FlowsLine>("flow", query, signal);
  const decoder = new FlowDecoder();
  if (line.told) decoder.hear(line.told);
  const [wire] = line.flows ?? [];
  return wire && decoder.decode(wire);
}
