// Sockets' calls, and the flows that they are.
import assert from "node:assert/strict";
import { test } from "node:test";
import { translationPoint } from "@tsilium/datapath";
import { SocketPoint, TrafficDirection, Verdict } from "../model.ts";
import {
  clusterIp,
  db,
  hostNetns,
  node1,
  scene,
  socketRecord,
  told,
  webNetns,
} from "./testing/world.ts";

const { forward, refused } = translationPoint;
const webText = "shop/web-1 (7, 4711) of Deployment web in default";
const dbText = "shop/db-0 (8, 4712) of StatefulSet db in default";
const worldText = "reserved:world-ipv4 (0, 9)";
const socket = { type: 3, socketCookie: 77n, cgroupId: 88n, summary: "TCP" };

function flowsOf(...record: Parameters<typeof socketRecord>): Record<string, unknown>[] {
  return scene()
    .flows(socketRecord(...record))
    .map(told);
}

test("a pod's connect() to a service is two flows: to the service, and to the backend", () => {
  const flows = flowsOf(
    { code: forward, frontend: 50 },
    { asked: [clusterIp, 5432], backend: [db.ipv4, 5432], protocol: 6, netnsCookie: webNetns },
  );
  assert.deepEqual(flows, [
    {
      ...socket,
      verdict: Verdict.traced,
      ip: "v1 10.244.0.5 > 10.96.0.10",
      l4: "tcp 0 > 5432",
      source: webText,
      destination: worldText,
      destinationService: "shop/db",
      eventType: "8:1",
      socketPoint: SocketPoint.preForward,
    },
    {
      ...socket,
      verdict: Verdict.translated,
      ip: "v1 10.244.0.5 > 10.244.0.6",
      l4: "tcp 0 > 5432",
      source: webText,
      destination: dbText,
      eventType: "8:2",
      socketPoint: SocketPoint.postForward,
    },
  ]);
});

test("a call refused for lack of backends is a drop", () => {
  const flows = flowsOf(
    { code: refused, frontend: 50 },
    { asked: [clusterIp, 5432], protocol: 6, netnsCookie: webNetns },
  );
  assert.deepEqual(flows, [
    {
      ...socket,
      verdict: Verdict.dropped,
      dropReason: 158,
      ip: "v1 10.244.0.5 > 10.96.0.10",
      l4: "tcp 0 > 5432",
      source: webText,
      destination: worldText,
      destinationService: "shop/db",
      direction: TrafficDirection.egress,
      eventType: "1:158",
      socketPoint: SocketPoint.preForward,
    },
  ]);
});

test("a process of the node asks with the node's address", () => {
  const [flow] = flowsOf(
    { code: forward, frontend: 50 },
    { asked: [clusterIp, 5432], backend: [db.ipv4, 5432], protocol: 17, netnsCookie: hostNetns },
  );
  assert.equal(flow?.["source"], "reserved:host (0, 1)");
  assert.equal(flow?.["ip"], `v1 ${node1} > ${clusterIp}`);
  assert.equal(flow?.["summary"], "UDP");
});

test("of a socket that is nobody's the rest is told", () => {
  const [flow] = flowsOf(
    { code: forward },
    {
      asked: ["fd00:10:96::a", 80],
      backend: ["fd00:10:244:1::9", 80],
      protocol: 6,
      netnsCookie: 5n,
    },
  );
  assert.equal(flow?.["source"], "reserved:unknown (0, 0)");
  assert.equal(flow?.["ip"], "v2  > fd00:10:96::a");
  assert.equal(flow?.["destinationService"], undefined);
});
