import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { L7Record } from "@tsilium/hubble/decode/index.ts";
import type { ProxyRecord } from "@tsilium/proxy/model.ts";
import { l7Record, RecordQueue } from "./records.ts";

const client = { address: "10.0.0.1", port: 40_000 };
const server = { address: "10.0.0.2", port: 80 };

function record(over: Partial<ProxyRecord> = {}, type: 1 | 2 = 1): ProxyRecord {
  return {
    timeNs: "1700000000000000001",
    port: 10_000,
    direction: "egress",
    protocol: 6,
    client,
    server,
    verdict: "forwarded",
    rule: 7,
    l7: {
      kind: "http",
      type,
      latencyNs: 0,
      code: 0,
      method: "GET",
      url: "http://web/",
      protocol: "HTTP/1.1",
      headers: [],
    },
    ...over,
  };
}

const endpointAt = (address: string) => ({ "10.0.0.1": 1, "10.0.0.2": 2 })[address] ?? 0;

const verdicts = [
  ["forwarded", 1],
  ["denied", 2],
  ["error", 3],
  ["audit", 4],
] as const;

for (const [verdict, number] of verdicts)
  test(`a record that is ${verdict} has Hubble's number for it`, () => {
    assert.equal(l7Record(record({ verdict }), endpointAt).verdict, number);
  });

test("a record is the endpoint's whose policy it is about, and an answer comes from the server", () => {
  const request = l7Record(record(), endpointAt);
  assert.deepEqual(
    [request.endpointId, request.direction, request.source.address, request.proxyPort],
    [1, 2, "10.0.0.1", 10_000],
  );
  const answer = l7Record(record({ direction: "ingress" }, 2), endpointAt);
  assert.deepEqual(
    [answer.endpointId, answer.direction, answer.source.address, answer.destination.port],
    [2, 1, "10.0.0.2", 40_000],
  );
  assert.equal(answer.timeNs, 1_700_000_000_000_000_001n);
});

test("records go on in order and in batches, and what cannot be kept is counted", async () => {
  const sent: (readonly L7Record[])[] = [];
  let takes = true;
  using queue = new RecordQueue((records) => takes && sent.push(records) > 0, endpointAt);
  queue.add(Array.from({ length: 2_500 }, (_, at) => record({ rule: at })));
  while (sent.flat().length < 2_500) await sleep(1);
  assert.ok(sent.length >= 2);
  assert.ok(sent.flat().every(({ rule }, at) => rule === at));
  queue.add(Array.from({ length: 60_000 }, () => record()));
  assert.equal(queue.lost, 10_000);
  takes = false;
  while (queue.lost < 60_000) await sleep(1);
});
