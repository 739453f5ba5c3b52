// `kubectl logs` and the output side of `kubectl attach`: both read what the runner has written.
import type { Duplex } from "node:stream";
import { channels, framedPeer } from "@tsilium/apiserver/streams.ts";
import { type LogOptions, readEntries, showEntry } from "../container-log.ts";
import type { ContainerLog } from "./pod-handle.ts";
import { success } from "./status.ts";

/** From a query that the API server has judged. */
export function logOptionsOf(query: URLSearchParams): LogOptions {
  const number = (name: string) => {
    const text = query.get(name);
    return text === null ? undefined : Number(text);
  };
  const seconds = number("sinceSeconds");
  const time = query.get("sinceTime");
  return {
    follow: query.get("follow") === "true",
    timestamps: query.get("timestamps") === "true",
    tailLines: number("tailLines"),
    limitBytes: number("limitBytes"),
    since:
      seconds !== undefined ? Date.now() - seconds * 1000 : time ? Date.parse(time) : undefined,
  };
}

/** What the container says from now on, each stream on its own channel, until it ends or the client leaves. */
export async function attachToLog(
  log: ContainerLog,
  { socket, signal }: { readonly socket: Duplex; readonly signal: AbortSignal },
): Promise<void> {
  const client = framedPeer(socket);
  // Containers of a lab have no input: what is typed goes nowhere.
  const reading = client.run(() => Promise.resolve());
  const entries = readEntries(log.path, { follow: true, tailLines: 0 }, { ...log, signal });
  for await (const entry of entries)
    await client.send({ channel: channels[entry.stream], bytes: showEntry(entry, false) });
  await client.send({ channel: channels.error, bytes: success, end: true });
  client.close();
  await reading;
}
