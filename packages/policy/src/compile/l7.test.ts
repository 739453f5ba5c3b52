// What goes through a proxy, and what the proxy enforces: a row per rule of the semantics.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Policy, PolicySettings, Subject } from "../model.ts";
import { allow, deny, pass, pods, policy, ports, subject } from "./testing/build.ts";
import { dns, http, kafka, sni } from "./testing/l7.ts";
import { type Question, Scene } from "./testing/scene.ts";

type Row = {
  readonly name: string;
  readonly policies: readonly Policy[];
  readonly settings?: Partial<PolicySettings>;
  readonly subject?: Subject;
  readonly answers: readonly (readonly [Question, string])[];
};

const [web, api] = [pods("app=web"), pods("app=api")];
const onlyWeb = policy("l7", [allow({ peers: [web], ports: ports("80"), l7: http(["/a"]) })]);
const http80 = policy("l7", [allow({ ports: ports("80"), l7: http(["/a"]) })]);

const rows: readonly Row[] = [
  {
    name: "an L7 rule sends whom it matches through a proxy and isolates as any rule does",
    policies: [onlyWeb],
    answers: [
      [{ peer: "web" }, "http by l7[0] /a; deny by l7[0]"],
      [{ peer: "web", port: "81" }, "deny by default of l7"],
      [{ peer: "web", port: "80/udp" }, "deny by default of l7"],
      [{ peer: "api" }, "deny by default of l7"],
    ],
  },
  {
    name: "L7 rules that match the same peer and port are united, in order of object and place",
    policies: [
      policy("z", [
        allow({ ports: ports("80"), l7: http(["/z0"]) }),
        allow({ peers: [web], ports: ports("80-90"), l7: http(["/z1", "/z0"]) }),
      ]),
      policy("a", [allow({ peers: [web], ports: ports("*"), l7: http(["/a"]) })]),
    ],
    answers: [
      [
        { peer: "web" },
        "http by a[0] /a, z[0] /z0, z[1] /z1, z[1] /z0; deny by a[0] and z[0] and z[1]",
      ],
      [{ peer: "web", port: "88" }, "http by a[0] /a, z[1] /z1, z[1] /z0; deny by a[0] and z[1]"],
      [{ peer: "web", port: "91" }, "http by a[0] /a; deny by a[0]"],
      [{ peer: "api" }, "http by z[0] /z0; deny by z[0]"],
    ],
  },
  {
    name: "an empty list of requests lets nothing through, and is told from no list",
    policies: [policy("none", [allow({ ports: ports("80"), l7: http([]) })])],
    answers: [[{ peer: "web" }, "http by nobody; deny by none[0]"]],
  },
  {
    name: "a plain allow of the same ports makes the set let everything through, proxied all the same",
    policies: [onlyWeb, policy("plain", [allow({ peers: [web], ports: ports("80") })])],
    answers: [[{ peer: "web" }, "http by l7[0] /a, plain[0] any; deny by l7[0]"]],
  },
  {
    name: "plain allows that are wider, narrower, of all ports or of another protocol do not",
    policies: [
      policy("l7", [allow({ peers: [web], ports: ports("80-90"), l7: http(["/a"]) })]),
      policy("plain", [
        allow({ peers: [web], ports: ports("80", "79-90", "80-91", "*", "80-90/udp") }),
        allow({ peers: [web] }),
      ]),
    ],
    answers: [
      [{ peer: "web" }, "http by l7[0] /a; deny by l7[0]"],
      [{ peer: "web", port: "90" }, "http by l7[0] /a; deny by l7[0]"],
      [{ peer: "web", port: "91" }, "allow by plain[0]"],
      [{ peer: "web", port: "80/udp" }, "allow by plain[0]"],
    ],
  },
  {
    name: "of a rule with several ports each counts as it is written",
    policies: [
      policy("l7", [allow({ ports: ports("80", "443"), l7: http(["/a"]) })]),
      policy("plain", [allow({ ports: ports("443", "80-80") })]),
      policy("other", [allow({ ports: ports("442-443") })]),
    ],
    answers: [
      [{ peer: "web" }, "http by l7[0] /a, plain[0] any; deny by l7[0]"],
      [{ peer: "web", port: "443" }, "http by l7[0] /a, plain[0] any; deny by l7[0]"],
      [{ peer: "web", port: "442" }, "allow by other[0]"],
    ],
  },
  {
    name: "the port of a name is written as that port, in both directions",
    policies: [
      policy("l7", [
        allow({ ports: ports("http"), l7: http(["/a"]) }),
        allow({ direction: "egress", ports: ports("http"), l7: http(["/a"]) }),
      ]),
      policy("plain", [
        allow({ ports: ports("80") }),
        allow({ direction: "egress", peers: [web], ports: ports("8080") }),
      ]),
    ],
    subject: subject(1, ["app=db"], { namedPorts: [{ name: "http", protocol: 6, port: 80 }] }),
    answers: [
      [{ peer: "web" }, "http by l7[0] /a, plain[0] any; deny by l7[0]"],
      [{ peer: "web", port: "8080" }, "deny by default of l7 and plain"],
      [
        { peer: "web", port: "8080", direction: "egress" },
        "http by l7[1] /a, plain[1] any; deny by l7[1]",
      ],
      [{ peer: "web", port: "80", direction: "egress" }, "deny by default of l7 and plain"],
      [{ peer: "api", port: "8080", direction: "egress" }, "deny by default of l7 and plain"],
    ],
  },
  {
    name: "deny comes before L7 rules, whatever it is written for",
    policies: [onlyWeb, policy("deny", [deny({ peers: [web], ports: ports("1-1000") })])],
    answers: [[{ peer: "web" }, "deny by deny[0]"]],
  },
  {
    name: "L7 rules come before pass, and below what an admin decides",
    policies: [
      http80,
      policy("admin", [allow({ peers: [web] }), deny({ peers: [api] })], { tier: "admin" }),
      policy("pass", [pass()], { isolates: false }),
    ],
    answers: [
      [{ peer: "web" }, "allow by admin[0]"],
      [{ peer: "api" }, "deny by admin[1]"],
      [{ peer: "db" }, "http by l7[0] /a; deny by l7[0]"],
    ],
  },
  {
    name: "in the admin and baseline tiers L7 rules allow nothing",
    policies: [
      policy("admin", [allow({ l7: http(["/a"]) })], { tier: "admin" }),
      policy("base", [allow({ l7: http(["/a"]) }), deny()], { tier: "baseline" }),
    ],
    answers: [[{ peer: "web" }, "deny by base[1]"]],
  },
  {
    name: "the node reaches its pods without a proxy, but not past a deny",
    settings: { allowLocalhost: true },
    policies: [http80, policy("deny", [deny({ ports: ports("81") })])],
    answers: [
      [{ peer: "host" }, "allow by allow-localhost"],
      [{ peer: "host", port: "81" }, "deny by deny[0]"],
      [{ peer: "node" }, "http by l7[0] /a; deny by l7[0]"],
    ],
  },
  {
    name: "of two kinds of L7 rules on one port that of the first holds, and the other's allow nothing there",
    policies: [
      policy("b", [allow({ peers: [web], ports: ports("80-81"), l7: kafka("x") })]),
      policy("a", [allow({ ports: ports("80"), l7: http(["/a"]) })]),
      policy("plain", [allow({ ports: ports("80-81") })]),
    ],
    answers: [
      // The plain allow is written like the rule that was left out, which opens nothing.
      [{ peer: "web" }, "http by a[0] /a; deny by a[0]"],
      [{ peer: "web", port: "81" }, "kafka by b[0] x, plain[0] any; deny by b[0]"],
    ],
  },
  {
    name: "kinds that no proxy enforces allow nothing, and stand in nobody's way",
    policies: [
      policy("a", [
        allow({ peers: [web], ports: ports("80"), l7: { protocol: "l7" } }),
        allow({ peers: [web], ports: ports("80"), l7: { protocol: "listener" } }),
        allow({ peers: [web], ports: ports("80"), l7: { protocol: "auth" } }),
      ]),
      policy("b", [allow({ peers: [api], ports: ports("80") })]),
    ],
    answers: [
      [{ peer: "web" }, "deny by default of a and b"],
      [{ peer: "api" }, "allow by b[0]"],
    ],
  },
  {
    name: "DNS rules are for UDP and TCP, others for TCP alone, whatever their ports say",
    policies: [
      policy("p", [
        allow({ direction: "egress", ports: ports("53", "53/udp", "53/sctp"), l7: dns("*.test") }),
        allow({ direction: "egress", ports: ports("80/udp", "81"), l7: http(["/a"]) }),
        allow({ direction: "egress", ports: ports("443", "443/udp"), l7: sni("a.test") }),
      ]),
      policy("plain", [allow({ direction: "egress", ports: ports("53/udp", "443") })]),
    ],
    answers: (
      [
        ["53", "dns by p[0] *.test; deny by p[0]"],
        ["53/udp", "dns by p[0] *.test, plain[0] *; deny by p[0]"],
        ["53/sctp", "deny by default of p and plain"],
        ["80/udp", "deny by default of p and plain"],
        ["81", "http by p[1] /a; deny by p[1]"],
        ["443", "sni by p[2] a.test, plain[0] *; deny by p[2]"],
        ["443/udp", "deny by default of p and plain"],
      ] as const
    ).map(([port, answer]) => [{ peer: "world", direction: "egress", port }, answer] as const),
  },
  {
    name: "one certificate is shown on a port, the first rule's; one with another is left out, one with none is not",
    policies: [
      policy("a", [allow({ ports: ports("443"), l7: http(["/a"]) })]),
      policy("b", [allow({ ports: ports("443"), l7: http(["/b"], { terminating: "one" }) })]),
      policy("c", [allow({ ports: ports("443"), l7: http(["/c"], { terminating: "two" }) })]),
      policy("d", [
        allow({
          ports: ports("443"),
          l7: http(["/d"], { terminating: "one", originating: "up", serverNames: ["d.test"] }),
        }),
      ]),
    ],
    answers: [
      [
        { peer: "web", port: "443" },
        "http by a[0] /a, b[0] /b, d[0] /d; tls=one; to=up; names=d.test; deny by a[0] and b[0] and d[0]",
      ],
    ],
  },
  {
    name: "a pod in audit mode goes through a proxy that denies nothing",
    policies: [http80],
    subject: subject(1, ["app=db"], { audit: true }),
    answers: [
      [{ peer: "web" }, "audit http by l7[0] /a; deny by l7[0]"],
      [{ peer: "web", port: "81" }, "audit by default of l7"],
    ],
  },
  {
    name: "a policy in audit mode sends through a proxy what others let through, and widens nothing of what they do not",
    policies: [
      policy("audit", [allow({ ports: ports("80-81"), l7: http(["/b"]) })], {
        enforcement: "audit",
      }),
      onlyWeb,
      policy("plain", [allow({ peers: [api], ports: ports("80") })]),
    ],
    answers: [
      [{ peer: "web" }, "http by l7[0] /a; deny by l7[0]"],
      [{ peer: "web", port: "81" }, "deny by default of l7 and plain"],
      [{ peer: "api" }, "audit http by audit[0] /b; deny by audit[0]"],
      [{ peer: "api", port: "81" }, "deny by default of l7 and plain"],
      [{ peer: "world" }, "deny by default of l7 and plain"],
    ],
  },
  {
    name: "a plain allow of a policy in audit mode does not open another's rule set",
    policies: [onlyWeb, policy("audit", [allow({ ports: ports("80") })], { enforcement: "audit" })],
    answers: [
      [{ peer: "web" }, "http by l7[0] /a; deny by l7[0]"],
      [{ peer: "api" }, "deny by default of l7"],
    ],
  },
  {
    name: "what a policy in audit mode would let through wholly needs no proxy",
    policies: [
      policy("audit", [allow({ ports: ports("80"), l7: http(["/b"]) })], {
        enforcement: "audit",
      }),
      policy("plain", [allow({ ports: ports("80") })]),
    ],
    answers: [[{ peer: "web" }, "allow by plain[0]"]],
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
