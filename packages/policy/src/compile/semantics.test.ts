import assert from "node:assert/strict";
import { test } from "node:test";
import type { PeerIdentity, Policy, PolicySettings, Subject } from "../model.ts";
import { allow, deny, identity, pods, policy, ports, selector, subject } from "./testing/build.ts";
import { type Question, Scene } from "./testing/scene.ts";

type Row = {
  readonly name: string;
  readonly policies: readonly Policy[];
  readonly settings?: Partial<PolicySettings>;
  readonly subject?: Subject;
  readonly peers?: readonly PeerIdentity[];
  readonly answers: readonly (readonly [Question, string])[];
};

const web = pods("app=web");
const init = subject(1, ["reserved:init"]);

const rows: readonly Row[] = [
  {
    name: "a pod that no policy selects may do everything",
    policies: [policy("p", [allow({ peers: [web] })], { subject: selector("app=other") })],
    answers: [
      [{ peer: "api" }, "allow by no policy selects it"],
      [{ peer: "api", direction: "egress" }, "allow by no policy selects it"],
    ],
  },
  {
    name: "a pod is isolated in the directions that policies have rules for, and only in those",
    policies: [policy("p", [allow({ peers: [web] })])],
    answers: [
      [{ peer: "web" }, "allow by p[0]"],
      [{ peer: "api" }, "deny by default of p"],
      [{ peer: "api", direction: "egress" }, "allow by no policy selects it"],
    ],
  },
  {
    name: "a default deny names every object that isolates",
    policies: [
      policy("b", [allow({ peers: [] })]),
      policy("a", [allow({ peers: [web] })]),
      policy("c", [deny({ peers: [web] })], { isolates: false }),
    ],
    answers: [
      [{ peer: "api" }, "deny by default of a and b"],
      [{ peer: "web" }, "deny by c[0]"],
    ],
  },
  {
    name: "policies add up: what one of them allows is allowed",
    policies: [
      policy("a", [allow({ peers: [web], ports: ports("80") })]),
      policy("b", [allow({ peers: [pods("app=api")], ports: ports("443") })]),
    ],
    answers: [
      [{ peer: "web", port: "80" }, "allow by a[0]"],
      [{ peer: "web", port: "443" }, "deny by default of a and b"],
      [{ peer: "api", port: "443" }, "allow by b[0]"],
    ],
  },
  {
    name: "a rule without peers is about everybody, one with an empty list of peers about nobody",
    policies: [
      policy("everybody", [allow({ ports: ports("80") })]),
      policy("nobody", [allow({ peers: [], ports: ports("81") })]),
      policy("nothing", [allow({ ports: [] })]),
    ],
    answers: [
      [{ peer: "world", port: "80" }, "allow by everybody[0]"],
      [{ peer: "world", port: "81" }, "deny by default of everybody and nobody and nothing"],
      [{ peer: 999, port: "80" }, "allow by everybody[0]"],
    ],
  },
  {
    name: "a selector without requirements matches everybody, the world included",
    policies: [policy("p", [allow({ peers: [pods()] })])],
    answers: [
      [{ peer: "world" }, "allow by p[0]"],
      [{ peer: "host" }, "allow by p[0]"],
    ],
  },
  {
    name: "requirements are met as Kubernetes says: NotIn and DoesNotExist hold without the key",
    policies: [
      policy("p", [
        allow({ peers: [pods("app=web|api", "env!=dev")], ports: ports("1") }),
        allow({ peers: [pods("env!=prod")], ports: ports("2") }),
        allow({ peers: [pods("!env", "app")], ports: ports("3") }),
      ]),
    ],
    answers: [
      [{ peer: "web", port: "1" }, "allow by p[0]"],
      [{ peer: "db", port: "1" }, "deny by default of p"],
      [{ peer: "db", port: "2" }, "allow by p[1]"],
      [{ peer: "world", port: "2" }, "allow by p[1]"],
      [{ peer: "web", port: "2" }, "deny by default of p"],
      [{ peer: "db", port: "3" }, "allow by p[2]"],
      [{ peer: "world", port: "3" }, "deny by default of p"],
    ],
  },
  {
    name: "a rule without ports covers ICMP and every other protocol, one with ports those it names",
    policies: [
      policy("all", [allow({ peers: [web] })]),
      policy("some", [allow({ peers: [pods("app=api")], ports: ports("*", "*/udp", "icmp 8") })]),
    ],
    answers: [
      [{ peer: "web", port: "icmp 3" }, "allow by all[0]"],
      [{ peer: "web", port: "gre" }, "allow by all[0]"],
      [{ peer: "api", port: "icmp 8" }, "allow by some[0]"],
      [{ peer: "api", port: "icmp 0" }, "deny by default of all and some"],
      [{ peer: "api", port: "gre" }, "deny by default of all and some"],
      [{ peer: "api", port: "65535/udp" }, "allow by some[0]"],
    ],
  },
  {
    name: "DNS names match those whom a proxy found by them, and nobody else; an empty list matches nobody",
    peers: [
      identity(400, ["reserved:world", "fqdn:a.test", "fqdn:*.test"]),
      identity(401, ["reserved:world", "fqdn:*.test"]),
    ],
    policies: [
      policy("p", [
        allow({ direction: "egress", peers: [{ kind: "fqdn", matchName: "a.test" }] }),
        allow({
          direction: "egress",
          peers: [{ kind: "fqdn", matchPattern: "*.test" }],
          ports: ports("443"),
        }),
        allow({ direction: "egress", peers: [] }),
      ]),
    ],
    answers: [
      [{ peer: 400, direction: "egress" }, "allow by p[0]"],
      [{ peer: 401, direction: "egress" }, "deny by default of p"],
      [{ peer: 401, direction: "egress", port: "443" }, "allow by p[1]"],
      [{ peer: "world", direction: "egress", port: "443" }, "deny by default of p"],
    ],
  },
  {
    name: "ingress port names are the pod's own ports, egress ones the peer's",
    policies: [
      policy("p", [
        allow({ ports: ports("http") }),
        allow({ direction: "egress", ports: ports("http") }),
      ]),
    ],
    subject: subject(1, ["app=db"], {
      namedPorts: [
        { name: "http", protocol: 6, port: 9090 },
        { name: "http", protocol: 17, port: 9091 },
        { name: "other", protocol: 6, port: 9092 },
      ],
    }),
    answers: [
      [{ peer: "web", port: "9090" }, "allow by p[0]"],
      [{ peer: "web", port: "8080" }, "deny by default of p"],
      [{ peer: "web", port: "9091" }, "deny by default of p"],
      [{ peer: "web", port: "9092" }, "deny by default of p"],
      [{ peer: "web", port: "8080", direction: "egress" }, "allow by p[1]"],
      [{ peer: "api", port: "8080", direction: "egress" }, "deny by default of p"],
      [{ peer: "web", port: "9090", direction: "egress" }, "deny by default of p"],
    ],
  },
  {
    name: "enable-policy=always isolates everybody, whatever policies say about default deny",
    settings: { enablePolicy: "always" },
    policies: [policy("p", [allow({ peers: [web] })], { isolates: false })],
    answers: [
      [{ peer: "web" }, "allow by p[0]"],
      [{ peer: "api" }, "deny by enable-policy=always"],
      [{ peer: "web", direction: "egress" }, "deny by enable-policy=always"],
    ],
  },
  {
    name: "enable-policy=never lets everything through",
    settings: { enablePolicy: "never" },
    policies: [policy("p", [deny()])],
    answers: [[{ peer: "web" }, "allow by enable-policy=never"]],
  },
  ...(["default", "always", "never"] as const).map((enablePolicy): Row => ({
    name: `reserved:init is held to policy under enable-policy=${enablePolicy}`,
    settings: { enablePolicy },
    subject: init,
    policies: [policy("p", [allow({ peers: [web] })], { isolates: false })],
    answers: [
      [{ peer: "web" }, "allow by p[0]"],
      [{ peer: "api" }, "deny by init"],
      [{ peer: "web", direction: "egress" }, "deny by init"],
    ],
  })),
  {
    name: "allow-localhost lets the node itself in, and no other node",
    settings: { allowLocalhost: true },
    policies: [policy("p", [allow({ peers: [web] })])],
    answers: [
      [{ peer: "host" }, "allow by allow-localhost"],
      [{ peer: "node" }, "deny by default of p"],
      [{ peer: "world" }, "deny by default of p"],
    ],
  },
  {
    name: "a deny wins over allow-localhost",
    settings: { allowLocalhost: true },
    policies: [policy("p", [deny({ peers: [pods("reserved:host")], ports: ports("22") })])],
    answers: [
      [{ peer: "host", port: "22" }, "deny by p[0]"],
      [{ peer: "host", port: "23" }, "allow by allow-localhost"],
    ],
  },
  {
    name: "specs of one object count each by itself",
    policies: [
      {
        ...policy("p", []),
        specs: [
          ...policy("p", [allow({ peers: [web] })], { subject: selector("app=db") }).specs,
          ...policy("p", [allow({ peers: [pods("app=api")] })], { subject: selector("app=x") })
            .specs,
        ],
      },
    ],
    answers: [
      [{ peer: "web" }, "allow by p[0]"],
      [{ peer: "api" }, "deny by default of p"],
    ],
  },
  {
    name: "a host policy selects nodes, and no pod that has its labels",
    policies: [
      {
        ...policy("p", []),
        specs: policy("p", [deny()]).specs.map((spec) => ({
          ...spec,
          subject: { kind: "nodes" as const, selector: [] },
        })),
      },
    ],
    answers: [[{ peer: "web" }, "allow by no policy selects it"]],
  },
];

for (const { name, answers, ...options } of rows)
  test(name, () => {
    const scene = new Scene(options);
    assert.deepEqual(
      answers.map(([question]) => scene.ask(question)),
      answers.map(([, expected]) => expected),
    );
  });
