// What the sender of a denied packet hears, by the policy that denies it: nothing, an ICMP error, a reset. Whoever is
// denied, by whichever end's policy, although the client itself is isolated from everybody who speaks first.
//
//   node-1: client, near     node-2: far     world 203.0.113.10, here with routes to the pods
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { echoPod, Lab, manifests, namespaceManifest, type Result, root, run } from "./harness.ts";
import { switchOffloadOff } from "./offload.ts";

const namespace = "answers";
const annotation = "policy.tsilium.io/deny-response";
/**
 * How long a client waits that hears nothing. A TCP socket that is told of an error within its own call of connect(2), as
 * happens where everything is one kernel, believes it from the next SYN on, a second later.
 */
const patienceMs: Readonly<Record<Response, number>> = { drop: 600, icmp: 1800, rst: 600 };
const world = { 4: "203.0.113.10", 6: "2001:db8:113::10" };
/** Where the world and the fabric that routes for it find pods. */
const gateways = {
  world: { 4: "203.0.113.1", 6: "2001:db8:113::1" },
  client: { 4: "172.18.0.2", 6: "fc00:18::2" },
  near: { 4: "172.18.0.2", 6: "fc00:18::2" },
  far: { 4: "172.18.0.3", 6: "fc00:18::3" },
};

type Family = 4 | 6;
type Response = "drop" | "icmp" | "rst";
type Sender = "client" | "node-1" | "node-2" | "world";
type Receiver = "client" | "near" | "far" | "world";
type Parties = Readonly<Record<Receiver, Readonly<Record<Family, string>>>>;

let lab: Lab;
let parties: Parties;

const client = { matchLabels: { role: "client" } };
const servers = { matchLabels: { role: "server" } };

type Denial = {
  readonly sentence: string;
  readonly kind: "NetworkPolicy" | "CiliumNetworkPolicy";
  readonly spec: object;
  readonly flows: readonly (readonly [from: Sender, to: Receiver])[];
};

const denials: readonly Denial[] = [
  {
    sentence: "by its own policy",
    kind: "NetworkPolicy",
    spec: { podSelector: client, policyTypes: ["Egress"] },
    flows: [
      ["client", "near"],
      ["client", "far"],
      ["client", "world"],
    ],
  },
  {
    sentence: "by the receiver's policy, which allows nobody",
    kind: "NetworkPolicy",
    spec: { podSelector: servers, policyTypes: ["Ingress"] },
    flows: [
      ["client", "near"],
      ["client", "far"],
      ["node-2", "near"],
      ["world", "near"],
    ],
  },
  {
    sentence: "by a rule of the receiver's, its own node too",
    kind: "CiliumNetworkPolicy",
    spec: { endpointSelector: servers, ingressDeny: [{ fromEntities: ["all"] }] },
    flows: [
      ["client", "near"],
      ["client", "far"],
      ["node-1", "near"],
      ["node-2", "near"],
      ["node-2", "far"],
      ["world", "far"],
    ],
  },
];

/** In the words of tests/native/probe.c: silence, EHOSTUNREACH and EACCES, ECONNREFUSED. */
const unreachable = { 4: "No route to host", 6: "Permission denied" };
const heard: Readonly<Record<Response, Record<"tcp" | "udp", (family: Family) => string>>> = {
  drop: { tcp: () => "connect: Operation now in progress", udp: () => "no answer within 600 ms" },
  icmp: {
    tcp: (family) => `connect: ${unreachable[family]}`,
    udp: (family) => `receive: ${unreachable[family]}`,
  },
  rst: {
    tcp: () => "connect: Connection refused",
    udp: (family) => `receive: ${unreachable[family]}`,
  },
};

before(async () => {
  // Not masqueraded: what a pod answers the world would come from its node.
  const set = {
    "ipv4-native-routing-cidr": "203.0.113.0/24",
    "ipv6-native-routing-cidr": "2001:db8:113::/64",
  };
  lab = await Lab.up({ nodes: 2, name: `t${process.pid}answers`, set });
  const pod = (name: string, node: string, role: string) =>
    echoPod({ name, namespace, node, labels: { role } });
  await lab.apply(
    manifests(
      namespaceManifest(namespace),
      pod("client", "node-1", "client"),
      pod("near", "node-1", "server"),
      pod("far", "node-2", "server"),
      // Answers reach it all the same.
      policy("isolated-client", "NetworkPolicy", { podSelector: client, policyTypes: ["Ingress"] }),
    ),
  );
  await lab.wait(namespace);
  parties = await partiesOf();
  await routeWorldToPods();
});
after(async () => {
  await lab?.[Symbol.asyncDispose]();
});

test("without another policy everybody is heard", async () => {
  const flows = denials.flatMap((denial) => denial.flows);
  await policyInForce();
  assert.deepEqual(
    (await outcomes(flows, 2000)).filter((line) => !line.endsWith(" ok")),
    [],
  );
});

for (const offload of [true, false]) {
  test(`tx checksum offload ${offload ? "on" : "off"}`, async (t) => {
    if (!offload) await switchOffloadOff(lab, namespace);
    for (const response of ["drop", "icmp", "rst"] as const)
      for (const denial of denials)
        await t.test(`${response}: who is denied ${denial.sentence}`, () =>
          assertHeard(response, denial),
        );
  });
}

async function assertHeard(response: Response, { kind, spec, flows }: Denial): Promise<void> {
  const manifest = policy("denial", kind, spec, { [annotation]: response });
  await lab.apply(manifest);
  await policyInForce();
  try {
    assert.deepEqual(
      await outcomes(flows, patienceMs[response]),
      tried(flows).map(
        ({ name, protocol, family }) => `${name}: ${heard[response][protocol](family)}`,
      ),
    );
  } finally {
    await lab.tsilium(["lab", "delete", "--name", lab.name, "-f", "-"], { input: manifest });
  }
}

type Try = {
  readonly name: string;
  readonly from: Sender;
  readonly to: Receiver;
  readonly protocol: "tcp" | "udp";
  readonly family: Family;
};

function tried(flows: Denial["flows"]): Try[] {
  return flows.flatMap(([from, to]) =>
    (["tcp", "udp"] as const).flatMap((protocol) =>
      ([4, 6] as const).map((family) => {
        const name = `${protocol} IPv${family} ${from} -> ${to}`;
        return { name, from, to, protocol, family };
      }),
    ),
  );
}

/** A line per try: what the sender heard. */
async function outcomes(flows: Denial["flows"], waitMs: number): Promise<string[]> {
  const tries = tried(flows);
  const senders = [...new Set(flows.map(([from]) => from))];
  const answers = await Promise.all(
    senders.map((from) => {
      const own = tries.filter((each) => each.from === from);
      return probeFrom(from, own, waitMs);
    }),
  );
  const heardBy = new Map(answers.flat());
  return tries.map((each) => `${each.name}: ${heardBy.get(each) ?? "nothing was printed"}`);
}

async function probeFrom(
  from: Sender,
  tries: readonly Try[],
  waitMs: number,
): Promise<[Try, string][]> {
  const target = ({ to, protocol, family }: Try) => `${protocol} ${parties[to][family]} 8080 64`;
  const input = tries.map((each) => `${target(each)} ${waitMs}\n`).join("");
  const { stdout } = await runFrom(from, [join(root, "dist/bin/probe"), "--batches"], `${input}\n`);
  return tries.map((each) => {
    const line = stdout.split("\n").find((printed) => printed.includes(` ${target(each)} `));
    const outcome = line?.startsWith("ok") ? "ok" : line?.split(`${target(each)} `)[1];
    return [each, outcome ?? `nothing of it in: ${stdout}`];
  });
}

function runFrom(from: Sender, command: readonly string[], input: string): Promise<Result> {
  switch (from) {
    case "client":
      return lab.exec(namespace, from, command, { input });
    case "world":
      return lab.worldExec(command, { input });
    default:
      return lab.nodeExec(from, command, { input });
  }
}

async function policyInForce(): Promise<void> {
  const waited = await lab.lab("wait", "--for", "policy");
  assert.equal(waited.status, 0, waited.stderr);
}

function policy(name: string, kind: Denial["kind"], spec: object, annotations = {}): string {
  const apiVersion = kind === "NetworkPolicy" ? "networking.k8s.io/v1" : "cilium.io/v2";
  return JSON.stringify({ apiVersion, kind, metadata: { name, namespace, annotations }, spec });
}

async function partiesOf(): Promise<Parties> {
  const pods = await lab.pods(namespace);
  const party = (name: string) => {
    const ips = pods.find(({ metadata }) => metadata.name === name)?.status.podIPs ?? [];
    const of = (mark: string) => ips.find(({ ip }) => ip.includes(mark))?.ip ?? "";
    return { 4: of("."), 6: of(":") };
  };
  return { client: party("client"), near: party("near"), far: party("far"), world };
}

/** The world knows no pod addresses otherwise. */
async function routeWorldToPods(): Promise<void> {
  const route = async (netns: string, to: string, via: string) => {
    const added = await run("ip", [
      "-n",
      `tsi-${lab.name}-${netns}`,
      "route",
      "add",
      to,
      "via",
      via,
    ]);
    assert.equal(added.status, 0, added.stderr);
  };
  for (const pod of ["client", "near", "far"] as const)
    for (const family of [4, 6] as const) {
      const address = parties[pod][family];
      await route("world", address, gateways.world[family]);
      await route("fabric", address, gateways[pod][family]);
    }
}
