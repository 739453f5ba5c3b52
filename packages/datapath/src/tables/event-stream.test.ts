import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode } from "@tsilium/ebpf";
import { Address } from "@tsilium/net";
import { clockBoottimeNs } from "@tsilium/syscall";
import { EventStream } from "./event-stream.ts";
import type { EventSource } from "./event-stream.ts";
import { decodeEvent } from "./events.ts";
import {
  direction,
  event,
  eventHeader,
  eventKind,
  socketEvent,
  translationPoint,
} from "../gen/abi.ts";
import type { DatapathEvent } from "../model.ts";
import { mappedBytes } from "./address-key.ts";

const hourNs = 3_600_000_000_000n;

const emptyHeader = decode(eventHeader, new Uint8Array(eventHeader.size));

/** A record as programs write it, of a drop with this code. */
function record(code: number, timestampNs = clockBoottimeNs() + hourNs): Uint8Array {
  const packet = new Uint8Array(128);
  packet.set([1, 2, 3]);
  const header = {
    ...emptyHeader,
    timestampNs,
    packetLength: 90,
    ifindex: 7,
    sourceIdentity: 1001,
    destinationIdentity: 2,
    frontend: 5,
    endpointId: 42,
    capturedLength: 3,
    cpu: 1,
    kind: eventKind.drop,
    code,
    direction: direction.egress,
  };
  return encode(event, { header, packet });
}

function codeOf(event: DatapathEvent): number {
  assert.notEqual(event.kind, "translation");
  return event.kind === "translation" ? 0 : event.code;
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
    cpu: 1,
    code: 132,
    verdict: undefined,
    rule: 0,
    frontend: 5,
    direction: "egress",
    isReply: false,
    traceReason: 0,
    endpointId: 42,
    sourceIdentity: 1001,
    destinationIdentity: 2,
    ifindex: 7,
    packetLength: 90,
    packet: Uint8Array.of(1, 2, 3),
  });
  assert.equal(decodeEvent(new Uint8Array(10)), undefined);
});

test("a socket's event reads back with both ends of the translation", () => {
  const header = { ...emptyHeader, kind: eventKind.translation, frontend: 7, cpu: 1 };
  const asked = Address.parse("10.96.0.10");
  const backend = Address.parse("10.244.0.9");
  const common = {
    frontendAddress: mappedBytes(asked),
    frontendPort: 53,
    backendPort: 5353,
    socketCookie: 11n,
    cgroupId: 12n,
    netnsCookie: 13n,
    protocol: 17,
  };
  const forward = encode(socketEvent, {
    ...common,
    header: { ...header, code: translationPoint.forward },
    backendAddress: mappedBytes(backend),
  });
  const expected = {
    kind: "translation",
    timestampNs: 0n,
    cpu: 1,
    isRefused: false,
    frontend: 7,
    protocol: 17,
    address: asked,
    port: 53,
    backend: { address: backend, port: 5353 },
    socketCookie: 11n,
    cgroupId: 12n,
    netnsCookie: 13n,
  };
  assert.deepEqual(decodeEvent(forward), expected);
  const refused = encode(socketEvent, {
    ...common,
    header: { ...header, code: translationPoint.refused },
    backendAddress: mappedBytes(undefined),
  });
  assert.deepEqual(decodeEvent(refused), { ...expected, isRefused: true, backend: undefined });
  assert.equal(decodeEvent(refused.subarray(0, refused.length - 1)), undefined);
});

test("listeners hear of every ring", async () => {
  const rings = [new FakeRing(), new FakeRing()];
  const stream = new EventStream(rings);
  const events = stream.events(new AbortController().signal);
  const heard = events.next();
  await new Promise(setImmediate);
  rings[1]?.put(record(140));
  const { value } = await heard;
  assert.equal(value && codeOf(value), 140);
  rings[0]?.put(record(141));
  const { value: second } = await events.next();
  assert.equal(second && codeOf(second), 141);
  await events.return(undefined);
  await stream.stopped();
});

test("every listener hears every live event, and one reader serves them all", async () => {
  const ring = new FakeRing();
  const stream = new EventStream([ring]);
  const stop = new AbortController();
  const codes = async (): Promise<number[]> => {
    const heard: number[] = [];
    for await (const event of stream.events(stop.signal))
      if (heard.push(codeOf(event)) === 2) break;
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
  const stream = new EventStream([ring]);
  ring.put(record(150, clockBoottimeNs() - 1n), record(151));
  for await (const event of stream.events(new AbortController().signal)) {
    assert.equal(codeOf(event), 151);
    break;
  }
  await stream.stopped();
});

test("stopping the stream ends its listeners", async () => {
  const stream = new EventStream([new FakeRing()]);
  const next = stream.events(new AbortController().signal).next();
  await new Promise(setImmediate);
  await stream.stopped();
  assert.equal((await next).done, true);
});

test("an aborted listener ends, and a later one is served again", async () => {
  const ring = new FakeRing();
  const stream = new EventStream([ring]);
  const stop = new AbortController();
  const first = stream.events(stop.signal).next();
  stop.abort();
  assert.equal((await first).done, true);
  const later = stream.events(new AbortController().signal);
  const heard = later.next();
  await new Promise(setImmediate);
  ring.put(record(133));
  const { value } = await heard;
  assert.equal(value && codeOf(value), 133);
  await later.return(undefined);
  await stream.stopped();
});
