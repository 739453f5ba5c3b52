// What proxies saw, on its way to Hubble: whose endpoint it was is added here. Bounded: what comes faster than it can be
// handed on is counted, not kept.
import type { L7Record } from "@tsilium/hubble/decode/index.ts";
import { TrafficDirection, Verdict } from "@tsilium/hubble/model.ts";
import type { ProxyRecord } from "@tsilium/proxy/model.ts";

/** A number of the local pod that has the address; 0: none has. */
export type EndpointAt = (address: string) => number;

const verdicts = {
  forwarded: Verdict.forwarded,
  denied: Verdict.dropped,
  error: Verdict.error,
  audit: Verdict.audit,
} as const;

const responseType = 2;
/** Flows that a log message of policies is made of: none of L7 yet. */
const noLog: readonly string[] = Object.freeze([]);

/** A record as Hubble wants it: the sender of this very message first. */
export function l7Record(record: ProxyRecord, endpointAt: EndpointAt): L7Record {
  const { client, server, direction, l7 } = record;
  const isEgress = direction === "egress";
  const [from, to] = l7.type === responseType ? [server, client] : [client, server];
  return {
    timeNs: BigInt(record.timeNs),
    endpointId: endpointAt(isEgress ? client.address : server.address),
    direction: isEgress ? TrafficDirection.egress : TrafficDirection.ingress,
    source: { ...from, identity: 0 },
    destination: { ...to, identity: 0 },
    protocol: record.protocol,
    verdict: verdicts[record.verdict],
    l7,
    rule: record.rule,
    proxyPort: record.port,
    policyLog: noLog,
  };
}

/** Records of one turn of the queue. */
const batchSize = 2_000;
/** Records that wait at most: a second of a busy node. */
const longestQueue = 50_000;

export class RecordQueue implements Disposable {
  readonly #send: (records: readonly L7Record[]) => boolean;
  readonly #endpointAt: EndpointAt;
  #waiting: ProxyRecord[] = [];
  #scheduled: NodeJS.Timeout | undefined;
  #lost = 0;

  /** @param send hands on; false: nobody takes them */
  constructor(send: (records: readonly L7Record[]) => boolean, endpointAt: EndpointAt) {
    this.#send = send;
    this.#endpointAt = endpointAt;
  }

  /** How many were not handed on. */
  get lost(): number {
    return this.#lost;
  }

  /** Counts records that a proxy itself could not keep. */
  addLost(count: number): void {
    this.#lost += count;
  }

  add(records: readonly ProxyRecord[]): void {
    const room = Math.max(0, longestQueue - this.#waiting.length);
    this.#lost += Math.max(0, records.length - room);
    for (const record of records.length > room ? records.slice(0, room) : records)
      this.#waiting.push(record);
    this.#schedule();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#scheduled);
    this.#flush();
    clearTimeout(this.#scheduled);
  }

  #schedule(): void {
    if (this.#waiting.length === 0) return;
    // Full batches go at once, a few wait for more: a message costs more than a record.
    this.#scheduled ??= setTimeout(() => this.#flush(), this.#waiting.length < batchSize ? 5 : 0);
  }

  #flush(): void {
    this.#scheduled = undefined;
    const batch = this.#waiting.splice(0, batchSize);
    if (batch.length === 0) return;
    if (!this.#send(batch.map((record) => l7Record(record, this.#endpointAt))))
      this.#lost += batch.length;
    this.#schedule();
  }
}
