import assert from "node:assert/strict";
import { test } from "node:test";
import { encode } from "@tsilium/ebpf";
import { clockBoottimeNs } from "@tsilium/syscall";
import { EventStream } from "./event-stream.ts";
import type { EventSource } from "./event-stream.ts";
import { decodeEvent } from "./events.ts";
import { direction, event, eventKind } from "../gen/abi.ts";

const hourNs = 3_600_000_000_000n;

/** A record as programs write it, of a drop with this code. */
function record(code: number, timestampNs = clockBoottimeNs() + hourNs): Uint8Array {
  const packet = new Uint8Array(128);
  packet.set([1, 2, 3]);
  const header = {
    timestampNs,
    packetLength: 90,
    ifindex: 7,
    sourceIdentity: 1001,
    destinationIdentity: 2,
    rule: 0,
    lost: 0,
    endpointId: 42,
    capturedLength: 3,
    kind: eventKind.drop,
    code,
    direction: direction.egress,
    reply: 0,
  };
  return encode(event, { header, packet });
}

/** A ring that hands out what is put in, and counts its readers. */
class FakeRing implements EventSource {
  readers = 0;
  readonly #records: Uint8Array[][] = [];
  #wake = Promise.withResolvers<void>();

  put(...records: Uint8Array[]): void {
    this.#records.push(records);
    this.#wake.resolve();
  }

  async *events(signal: AbortSignal): AsyncGenerator<Uint8Array[]> {
    this.readers++;
    const stopped = new Promise<void>((resolve) =>
      signal.addEventListener("abort", () => resolve(), { once: true }),
    );
    while (!signal.aborted) {
      const batch = this.#records.shift();
      if (batch !== undefined) yield batch;
      else {
        await Promise.race([this.#wake.promise, stopped]);
        this.#wake = Promise.withResolvers<void>();
      }
    }
  }
}

test("a record reads back as the event, with the packet as long as it was captured", () => {
  const decoded = decodeEvent(record(132, 5n));
  assert.deepEqual(decoded, {
    kind: "drop",
    timestampNs: 5n,
    code: 132,
    verdict: undefined,
    rule: 0,
    direction: "egress",
    endpointId: 42,
    sourceIdentity: 1001,
    destinationIdentity: 2,
    ifindex: 7,
    packetLength: 90,
    packet: Uint8Array.of(1, 2, 3),
  });
  assert.equal(decodeEvent(new Uint8Array(10)), undefined);
});

test("every listener hears every live event, and one reader serves them all", async () => {
  const ring = new FakeRing();
  const stream = new EventStream(ring);
  const stop = new AbortController();
  const codes = async (): Promise<number[]> => {
    const heard: number[] = [];
    for await (const { code } of stream.events(stop.signal)) if (heard.push(code) === 2) break;
    return heard;
  };
  const both = [codes(), codes()];
  await new Promise(setImmediate);
  ring.put(record(130), record(131));
  assert.deepEqual(await Promise.all(both), [
    [130, 131],
    [130, 131],
  ]);
  assert.equal(ring.readers, 1);
  await stream.stopped();
});

test("what lay in the ring before anybody listened is skipped", async () => {
  const ring = new FakeRing();
  const stream = new EventStream(ring);
  ring.put(record(150, clockBoottimeNs() - 1n), record(151));
  for await (const { code } of stream.events(new AbortController().signal)) {
    assert.equal(code, 151);
    break;
  }
  await stream.stopped();
});

test("stopping the stream ends its listeners", async () => {
  const stream = new EventStream(new FakeRing());
  const next = stream.events(new AbortController().signal).next();
  await new Promise(setImmediate);
  await stream.stopped();
  assert.equal((await next).done, true);
});

test("an aborted listener ends, and a later one is served again", async () => {
  const ring = new FakeRing();
  const stream = new EventStream(ring);
  const stop = new AbortController();
  const first = stream.events(stop.signal).next();
  stop.abort();
  assert.equal((await first).done, true);
  const later = stream.events(new AbortController().signal);
  const heard = later.next();
  await new Promise(setImmediate);
  ring.put(record(133));
  assert.equal((await heard).value?.code, 133);
  await later.return(undefined);
  await stream.stopped();
});
