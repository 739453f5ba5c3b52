// Texts of everything but flows.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import {
  AgentEventSchema,
  AgentEventType,
  DebugEventSchema,
  DebugEventType,
} from "@tsilium/hubble/gen/flow/flow_pb.ts";
import {
  NamespaceSchema,
  NodeSchema,
  ServerStatusResponseSchema,
} from "@tsilium/hubble/gen/observer/observer_pb.ts";
import { ChangeNotificationSchema, TLSSchema } from "@tsilium/hubble/gen/peer/peer_pb.ts";
import { agentEventDetails, agentEventPrinter, debugEventPrinter } from "./events.ts";
import { namespacesText, nodesText } from "./nodes.ts";
import { grouped } from "./numbers.ts";
import { peerLine } from "./peers.ts";
import { statusCompact, statusDict, statusTable } from "./server-status.ts";

const status = create(ServerStatusResponseSchema, {
  numFlows: 2031n,
  maxFlows: 4095n,
  seenFlows: 2_348_885n,
  flowsRate: 23.456,
  uptimeNs: 301_515_181_665n,
  version: "tsilium v0.1.0",
});
const ofRelay = create(ServerStatusResponseSchema, {
  ...status,
  flowsRate: 0,
  numConnectedNodes: 2,
  numUnavailableNodes: 3,
  unavailableNodes: ["node-5", "node-4\u001b"],
});

test("status: lines", () => {
  assert.equal(statusCompact(status), "Current/Max Flows: 2,031/4,095 (49.60%)\nFlows/s: 23.46\n");
  assert.equal(
    statusCompact(ofRelay),
    `Current/Max Flows: 2,031/4,095 (49.60%)
Flows/s: 7790.27
Connected Nodes: 2/5
Unavailable Nodes: 3
  - node-4?
  - node-5
  - and 1 more...
`,
  );
  assert.equal(
    statusCompact(
      create(ServerStatusResponseSchema, { numConnectedNodes: 0, numUnavailableNodes: 0 }),
    ),
    "Current/Max Flows: 0/0\nFlows/s: N/A\nConnected Nodes: 0/0\n",
  );
});

test("status: dict and table", () => {
  assert.equal(
    statusDict(status),
    `          NUM FLOWS: 2,031
          MAX FLOWS: 4,095
         SEEN FLOWS: 2,348,885
   FLOWS PER SECOND: 23.46
             UPTIME: 5m1.515181665s
NUM CONNECTED NODES: N/A
 NUM UNAVAIL. NODES: N/A
            VERSION: tsilium v0.1.0
`,
  );
  assert.equal(
    statusTable(ofRelay),
    `NUM FLOWS   MAX FLOWS   SEEN FLOWS   FLOWS PER SECOND   UPTIME           NUM CONNECTED NODES   NUM UNAVAILABLE NODES   VERSION
2,031       4,095       2,348,885    N/A                5m1.515181665s   2                     3                       tsilium v0.1.0
`,
  );
  assert.deepEqual([0n, 999n, 1_000n, (1n << 64n) - 1n].map(grouped), [
    "0",
    "999",
    "1,000",
    "18,446,744,073,709,551,615",
  ]);
});

test("list nodes", () => {
  const nodes = [
    {
      name: "foo",
      version: "1",
      state: 1,
      uptimeNs: 10n ** 12n,
      numFlows: 500n,
      maxFlows: 1000n,
      seenFlows: 2500n,
      address: "1.2.3.4:4244",
      tls: { enabled: true },
    },
    { name: "bar", version: "2", state: 2, address: "5.6.7.8:4244", tls: { enabled: false } },
    { name: "b\u001baz", state: 3 },
    { name: "faz", version: "4", state: 4 },
    {},
  ].map((node) => create(NodeSchema, node as object));
  assert.equal(
    nodesText(nodes, false),
    `NAME   STATUS        AGE      FLOWS/S   CURRENT/MAX-FLOWS
foo    Connected     16m40s   2.50      500/1000 ( 50.00%)
bar    Unavailable   N/A      N/A       N/A
b?az   Gone          N/A      N/A       N/A
faz    Error         N/A      N/A       N/A
       Unknown       N/A      N/A       N/A
`,
  );
  assert.equal(
    nodesText(nodes, true),
    `NAME   STATUS        AGE      FLOWS/S   CURRENT/MAX-FLOWS    VERSION   ADDRESS        TLS
foo    Connected     16m40s   2.50      500/1000 ( 50.00%)   1         1.2.3.4:4244   Enabled
bar    Unavailable   N/A      N/A       N/A                  2         5.6.7.8:4244   Disabled
b?az   Gone          N/A      N/A       N/A                  N/A                      N/A
faz    Error         N/A      N/A       N/A                  4                        N/A
       Unknown       N/A      N/A       N/A                  N/A                      N/A
`,
  );
});

test("list namespaces", () => {
  const namespaces = [
    { namespace: "shop", cluster: "default" },
    { namespace: "kube-system", cluster: "" },
  ].map((namespace) => create(NamespaceSchema, namespace));
  assert.equal(namespacesText(namespaces, false), "NAMESPACE\nshop\nkube-system\n");
  assert.equal(
    namespacesText(namespaces, true),
    "NAMESPACE     CLUSTER\nshop          default\nkube-system\n",
  );
});

test("watch peers", () => {
  const peer = { name: "foo.bar", address: "1.2.3.4:4244", type: 1 } as const;
  assert.equal(
    peerLine(
      create(ChangeNotificationSchema, {
        ...peer,
        tls: create(TLSSchema, { serverName: "tls.foo" }),
      }),
    ),
    "PEER_ADDED   1.2.3.4:4244 foo.bar (TLS.ServerName: tls.foo)\n",
  );
  assert.equal(
    peerLine(create(ChangeNotificationSchema, { ...peer, type: 2 })),
    "PEER_DELETED 1.2.3.4:4244 foo.bar\n",
  );
});

const time = () => "then";
type Notification = Parameters<typeof agentEventDetails>[0]["notification"];

test("what agents did", () => {
  const rows: readonly (readonly [object, string])[] = [
    [{ case: undefined }, "UNKNOWN"],
    [{ case: "unknown", value: { type: "a", notification: "b" } }, "type: a, notification: b"],
    [{ case: "agentStart", value: { time: { seconds: 1n, nanos: 2 } } }, "start time: then"],
    [
      {
        case: "policyUpdate",
        value: { labels: ["foo=bar", "baz=foo"], revision: 1n, ruleCount: 2n },
      },
      "labels: [foo=bar,baz=foo], revision: 1, count: 2",
    ],
    [
      { case: "endpointRegenerate", value: { id: 42n, labels: ["baz=bar"], error: "some error" } },
      "id: 42, labels: [baz=bar], error: some error",
    ],
    [
      { case: "endpointUpdate", value: { id: 1027n, namespace: "kube-system", podName: "xyz" } },
      "id: 1027, namespace: kube-system, pod name: xyz",
    ],
    [
      {
        case: "ipcacheUpdate",
        value: {
          cidr: "10.1.2.3/32",
          identity: 42,
          oldIdentity: 23,
          hostIp: "192.168.3.9",
          encryptKey: 3,
        },
      },
      "cidr: 10.1.2.3/32, identity: 42, old identity: 23, host ip: 192.168.3.9, encrypt key: 3",
    ],
    [
      {
        case: "serviceUpsert",
        value: {
          id: 42,
          frontendAddress: { ip: "10.0.0.42", port: 8008 },
          backendAddresses: [
            { ip: "192.168.1.23", port: 80 },
            { ip: "2001:db8::1", port: 8080 },
          ],
          type: "foobar",
          trafficPolicy: "pol1",
          namespace: "bar",
          name: "foo",
        },
      },
      "id: 42, frontend: 10.0.0.42:8008, backends: [192.168.1.23:80,[2001:db8::1]:8080], type: foobar, traffic policy: pol1, namespace: bar, name: foo",
    ],
    [{ case: "serviceDelete", value: { id: 42 } }, "id: 42"],
  ];
  for (const [notification, text] of rows) {
    const event = create(AgentEventSchema, { notification: notification as Notification });
    assert.equal(agentEventDetails(event, time), text);
  }
});

const origin = { timeNs: 1_234_567_800_000n, nodeName: "k8s1" };
const style = { format: "compact", time: "StampMilli", nodes: true } as const;

test("agent events in every form", () => {
  const event = create(AgentEventSchema, {
    type: AgentEventType.ENDPOINT_CREATED,
    notification: { case: "endpointUpdate", value: { id: 7n, podName: "a\u001bb" } },
  });
  const name = () => "ENDPOINT_CREATED";
  assert.equal(
    agentEventPrinter(style, name).event(event, origin),
    "Jan  1 00:20:34.567 [k8s1]: ENDPOINT_CREATED (id: 7, pod name: a?b)\n",
  );
  const dict = agentEventPrinter({ ...style, format: "dict" }, name);
  assert.equal(
    dict.event(event, origin) + dict.event(event, origin),
    `  TIMESTAMP: Jan  1 00:20:34.567
       NODE: k8s1
       TYPE: ENDPOINT_CREATED
    DETAILS: id: 7, pod name: a?b
------------
  TIMESTAMP: Jan  1 00:20:34.567
       NODE: k8s1
       TYPE: ENDPOINT_CREATED
    DETAILS: id: 7, pod name: a?b
`,
  );
  const table = agentEventPrinter({ ...style, format: "table", nodes: false }, name);
  table.event(event, origin);
  assert.equal(
    table.end(),
    "TIMESTAMP             TYPE               DETAILS\nJan  1 00:20:34.567   ENDPOINT_CREATED   id: 7, pod name: a?b\n",
  );
});

test("debug events", () => {
  const event = create(DebugEventSchema, {
    type: DebugEventType.DBG_CT_VERDICT,
    source: { ID: 690, namespace: "shop", podName: "web" },
    hash: 180_354_257,
    message: "CT verdict: New, revnat=0",
    cpu: 1,
  });
  assert.equal(
    debugEventPrinter(style, () => "DBG_CT_VERDICT").event(event, origin),
    "Jan  1 00:20:34.567 [k8s1]: shop/web (ID: 690) DBG_CT_VERDICT MARK: 0xabffcd1 CPU: 01 (CT verdict: New, revnat=0)\n",
  );
  const bare = create(DebugEventSchema, { source: { labels: ["reserved:host"] } });
  assert.equal(
    debugEventPrinter({ ...style, nodes: false }, String).event(bare, origin),
    "Jan  1 00:20:34.567: reserved:host (ID: 0) 0 MARK: N/A CPU: N/A ()\n",
  );
});
