import assert from "node:assert/strict";
import { test } from "node:test";
import { ccnp, cnp, show } from "./testing/show.ts";

const peers = { ingress: "fromEntities: [host]", egress: "toEntities: [host]" };

type Options = {
  readonly section?: "ingress" | "egress" | "ingressDeny";
  readonly of?: (spec: string) => object;
  readonly selector?: string;
};

/** How a rule with these ports is understood: one line per rule, then warnings; or the problems. */
function shown(rest: string, options: Options = {}): string {
  const { section = "egress", of = cnp, selector = "endpointSelector: {}" } = options;
  const peer = section === "egress" ? peers.egress : peers.ingress;
  return show(of(`{ ${selector}, ${section}: [{ ${peer}, ${rest} }] }`))
    .replace(/^spec: .*\n/, "")
    .replaceAll(/spec\.\w+\[0\]/g, "rule")
    .replaceAll(/: (allow|deny) \w+ \{reserved:host\} on /g, " ");
}

const ports: [sentence: string, rest: string, expected: string][] = [
  [
    "a port of one protocol",
    `toPorts: [{ ports: [{ port: "80", protocol: TCP }] }]`,
    "rule 80/tcp",
  ],
  [
    "a port of any protocol",
    `toPorts: [{ ports: [{ port: "80" }, { port: "81", protocol: ANY }, { port: "82", protocol: "" }] }]`,
    "rule 80/tcp 80/udp 80/sctp 81/tcp 81/udp 81/sctp 82/tcp 82/udp 82/sctp",
  ],
  [
    "protocols may be written small",
    `toPorts: [{ ports: [{ port: "53", protocol: udp }, { port: "1", protocol: sctp }] }]`,
    "rule 53/udp 1/sctp",
  ],
  [
    "several entries",
    `toPorts: [{ ports: [{ port: "1", protocol: TCP }] }, { ports: [{ port: "2", protocol: TCP }] }]`,
    "rule 1/tcp 2/tcp",
  ],
  ["port 0 is every port", `toPorts: [{ ports: [{ port: "0", protocol: UDP }] }]`, "rule */udp"],
  [
    "ranges",
    `toPorts: [{ ports: [{ port: "80", endPort: 90, protocol: TCP }, { port: "80", endPort: 80, protocol: TCP }, { port: "80", endPort: 0, protocol: TCP }, { port: "0", endPort: 9, protocol: TCP }] }]`,
    "rule 80-90/tcp 80/tcp 80/tcp 0-9/tcp",
  ],
  [
    "names, in small letters; 0x10 is one",
    `toPorts: [{ ports: [{ port: HTTP, protocol: TCP }, { port: "0x10", protocol: TCP }, { port: dns }] }]`,
    "rule http/tcp 0x10/tcp dns/tcp dns/udp dns/sctp",
  ],
  ["an empty list matches nothing", "toPorts: []", "rule nothing"],
  [
    "an entry without ports matches nothing, and a warning says so",
    "toPorts: [{}, { ports: [] }]",
    `rule nothing
warning rule.toPorts[0]: lists no ports, so it matches nothing: port "0" is every port
warning rule.toPorts[1]: lists no ports, so it matches nothing: port "0" is every port`,
  ],
  [
    "the same with L7 rules, which port 0 takes none of",
    "toPorts: [{ rules: { http: [{ path: /a }] } }]",
    `rule.toPorts[0] nothing by http
warning rule.toPorts[0]: lists no ports, so it matches nothing: name those that the rules are about`,
  ],
  [
    "lists that are null are refused",
    "toPorts: null, icmps: null",
    `problem rule.toPorts: is null: leave it out if no restriction is meant
problem rule.icmps: is null: leave it out if no restriction is meant`,
  ],
  [
    "what is no port",
    `toPorts: [{ ports: [{}, { port: 80 }, { port: "65536" }, { port: "080" }, { port: "-1" }, { port: a--b }, { port: sixteen-letters-x }, { port: "80", endPort: 70000 }, { port: "80", endPort: "90" }, 80] }]`,
    `problem rule.toPorts[0].ports[0].port: required
problem rule.toPorts[0].ports[1].port: must be a string: write "80" (80)
problem rule.toPorts[0].ports[2].port: is neither a port number (0 to 65535) nor a port name ("65536")
problem rule.toPorts[0].ports[3].port: is neither a port number (0 to 65535) nor a port name ("080")
problem rule.toPorts[0].ports[4].port: is neither a port number (0 to 65535) nor a port name ("-1")
problem rule.toPorts[0].ports[5].port: is neither a port number (0 to 65535) nor a port name ("a--b")
problem rule.toPorts[0].ports[6].port: is neither a port number (0 to 65535) nor a port name ("sixteen-letters-x")
problem rule.toPorts[0].ports[7].endPort: must be a whole number from 0 to 65535 (70000)
problem rule.toPorts[0].ports[8].endPort: must be a whole number from 0 to 65535 ("90")
problem rule.toPorts[0].ports[9]: must be an object (80)`,
  ],
  [
    "ranges that are none",
    `toPorts: [{ ports: [{ port: "80", endPort: 79 }, { port: http, endPort: 90 }] }]`,
    `problem rule.toPorts[0].ports[0].endPort: must not be below port 80 (79)
problem rule.toPorts[0].ports[1].endPort: a named port has no range (90)`,
  ],
  [
    "protocols that are none",
    `toPorts: [{ ports: [{ port: "8", protocol: ICMP }, { port: "8", protocol: GRE }, { port: "8", protocol: null }] }]`,
    `problem rule.toPorts[0].ports[0].protocol: ICMP has no ports: use icmps ("ICMP")
problem rule.toPorts[0].ports[1].protocol: must be one of TCP, UDP, SCTP, ANY ("GRE")
problem rule.toPorts[0].ports[2].protocol: is null: leave it out if no restriction is meant`,
  ],
  [
    "40 ports in an entry and no more",
    `toPorts: [{ ports: [${Array.from({ length: 41 }, (_, index) => `{ port: "${index + 1}", protocol: TCP }`).join()}] }]`,
    "problem rule.toPorts[0].ports: at most 40 ports",
  ],
];

for (const [sentence, rest, expected] of ports)
  test(`ports: ${sentence}`, () => assert.equal(shown(rest), expected));

const icmps: [sentence: string, rest: string, expected: string][] = [
  [
    "types by number and name, of both families",
    `icmps: [{ fields: [{ type: 8 }, { type: "0", family: IPv4 }, { type: EchoRequest }, { type: EchoRequest, family: IPv6 }, { type: 255, family: IPv6 }] }]`,
    "rule icmp4/8 icmp4/0 icmp4/8 icmp6/128 icmp6/255",
  ],
  ["an empty list matches nothing", "icmps: []", "rule nothing"],
  ["so does an entry without types", "icmps: [{}, { fields: [] }]", "rule nothing"],
  [
    "types that are none",
    `icmps: [{ fields: [{ type: 256 }, { type: PacketTooBig }, { type: "08" }, {}, { type: 8, family: IP }, { type: 1.5 }] }]`,
    `problem rule.icmps[0].fields[0].type: must be a whole number from 0 to 255 (256)
problem rule.icmps[0].fields[1].type: is no ICMP type of IPv4: a number from 0 to 255, or a name like EchoRequest ("PacketTooBig")
problem rule.icmps[0].fields[2].type: is no ICMP type of IPv4: a number from 0 to 255, or a name like EchoRequest ("08")
problem rule.icmps[0].fields[3].type: required
problem rule.icmps[0].fields[4].family: must be one of IPv4, IPv6 ("IP")
problem rule.icmps[0].fields[5].type: must be a whole number from 0 to 255 (1.5)`,
  ],
  [
    "40 types in an entry and no more",
    `icmps: [{ fields: [${Array.from({ length: 41 }, () => "{ type: 8 }").join()}] }]`,
    "problem rule.icmps[0].fields: at most 40 types",
  ],
  [
    "not with ports",
    `icmps: [{ fields: [{ type: 8 }] }], toPorts: [{ ports: [{ port: "80" }] }]`,
    "problem rule.icmps: icmps and toPorts in one rule: write a rule for each",
  ],
  [
    "an empty list of ports beside them adds nothing",
    `icmps: [{ fields: [{ type: 8 }] }], toPorts: []`,
    "rule icmp4/8",
  ],
];

for (const [sentence, rest, expected] of icmps)
  test(`ICMP: ${sentence}`, () => assert.equal(shown(rest), expected));

test("a denying rule has ports and ICMP types as an allowing one has", () => {
  const section = "ingressDeny";
  assert.equal(
    shown(`toPorts: [{ ports: [{ port: "80", protocol: TCP }] }]`, { section }),
    "rule 80/tcp",
  );
  assert.equal(shown(`icmps: [{ fields: [{ type: 8 }] }]`, { section }), "rule icmp4/8");
  assert.equal(
    shown(`toPorts: [{ ports: [{ port: "80", endPort: 1 }] }]`, { section }),
    "problem rule.toPorts[0].ports[0].endPort: must not be below port 80 (1)",
  );
});

const web = `ports: [{ port: "80", protocol: TCP }]`;
const proxied = (protocol: string) => `rule.toPorts[0] 80/tcp by ${protocol}`;

const l7: [sentence: string, rest: string, expected: string, options?: Options][] = [
  [
    "HTTP",
    `toPorts: [{ ${web}, rules: { http: [{ path: /a, method: GET, host: b, headers: ["X 1"] }] } }]`,
    proxied("http"),
  ],
  [
    "no requests are not the same as no rules",
    `toPorts: [{ ${web}, rules: { http: [] } }]`,
    proxied("http"),
  ],
  ["no rules are no rules", `toPorts: [{ ${web}, rules: {} }]`, "rule 80/tcp"],
  ["Kafka", `toPorts: [{ ${web}, rules: { kafka: [{ topic: a }] } }]`, proxied("kafka")],
  [
    "other protocols",
    `toPorts: [{ ${web}, rules: { l7proto: r2d2, l7: [{ cmd: READ }] } }]`,
    `${proxied("l7")}
warning rule.toPorts[0].rules: no proxy here understands r2d2: the rule allows nothing`,
  ],
  ["names in TLS", `toPorts: [{ ${web}, serverNames: [a.b] }]`, proxied("sni")],
  [
    "no names are not the same as any name",
    `toPorts: [{ ${web}, serverNames: [] }]`,
    proxied("sni"),
  ],
  ["TLS", `toPorts: [{ ${web}, terminatingTLS: { secret: { name: a } } }]`, proxied("http")],
  [
    "a listener",
    `toPorts: [{ ${web}, listener: { envoyConfig: { name: a }, name: b } }]`,
    `${proxied("listener")}
warning rule.toPorts[0].listener: listeners of CiliumEnvoyConfig are not there: the rule allows nothing`,
  ],
  [
    "DNS, of any protocol",
    `toPorts: [{ ports: [{ port: "53" }], rules: { dns: [{ matchPattern: "*" }] } }]`,
    "rule.toPorts[0] 53/tcp 53/udp 53/sctp by dns",
  ],
  [
    "entries with and without L7 are rules of their own",
    `toPorts: [{ ${web}, rules: { http: [{}] } }, { ports: [{ port: "81", protocol: TCP }] }]`,
    `rule 81/tcp
rule.toPorts[0] 80/tcp by http`,
  ],
  [
    "a rule that asks for authentication allows nothing yet",
    `authentication: { mode: required }, toPorts: [{ ${web} }]`,
    `rule 80/tcp by auth
warning rule.authentication: mutual authentication is not there yet: the rule allows nothing`,
  ],
  [
    "authentication may be disabled",
    `authentication: { mode: disabled }, toPorts: [{ ${web} }]`,
    "rule 80/tcp",
  ],
  [
    "TCP only, but for DNS",
    `toPorts: [{ ports: [{ port: "80" }], rules: { http: [{}] } }]`,
    "problem rule.toPorts[0].rules: L7 rules other than DNS rules are for TCP only",
  ],
  [
    "not on every port",
    `toPorts: [{ ports: [{ port: "0", protocol: TCP }], rules: { http: [{}] } }]`,
    "problem rule.toPorts[0].rules: L7 rules need a port other than 0",
  ],
  [
    "DNS rules name their port",
    `toPorts: [{ rules: { dns: [{ matchName: a.b }] } }, { ports: [{ port: "53", endPort: 54 }], rules: { dns: [] } }]`,
    `problem rule.toPorts[0].rules.dns: DNS rules need their port, 53
problem rule.toPorts[1].rules.dns: DNS rules take no ranges of ports`,
  ],
  [
    "DNS is for egress",
    `toPorts: [{ ports: [{ port: "53" }], rules: { dns: [{ matchName: a.b }] } }]`,
    "problem rule.toPorts[0].rules.dns: DNS rules are for egress only",
    { section: "ingress" },
  ],
  [
    "one protocol in an entry",
    `toPorts: [{ ${web}, rules: { http: [{}], kafka: [{}] } }, { ${web}, rules: { l7: [{}] } }]`,
    `problem rule.toPorts[0].rules: http and kafka in one entry: write an entry for each
problem rule.toPorts[1].rules.l7proto: required`,
  ],
  [
    "requests must be made of strings",
    `toPorts: [{ ${web}, rules: { http: [{ path: 1, method: [], host: {}, headers: [1], headerMatches: [{}] }, x] } }, { ${web}, serverNames: [""] }]`,
    `problem rule.toPorts[0].rules.http[0].path: must be a string: write "1" (1)
problem rule.toPorts[0].rules.http[0].method: must be a string
problem rule.toPorts[0].rules.http[0].host: must be a string
problem rule.toPorts[0].rules.http[0].headers[0]: must be a string: write "1" (1)
problem rule.toPorts[0].rules.http[0].headerMatches[0].name: required
problem rule.toPorts[0].rules.http[1]: must be an object ("x")
problem rule.toPorts[1].serverNames[0]: required ("")`,
  ],
  [
    "combinations that Cilium refuses",
    `toPorts: [{ ${web}, rules: { http: [{}] }, listener: { envoyConfig: { name: a }, name: b } }, { ${web}, rules: { http: [{}] }, serverNames: [a] }]`,
    `problem rule.toPorts[0].listener: a listener takes no L7 rules
problem rule.toPorts[1].serverNames: server names with L7 rules need terminatingTLS`,
  ],
  [
    "a listener is for egress",
    `toPorts: [{ ${web}, listener: { envoyConfig: { name: a }, name: b } }]`,
    "problem rule.toPorts[0].listener: listeners are for egress only",
    { section: "ingress" },
  ],
  [
    "L7 that is null is not the same as none",
    `toPorts: [{ ${web}, rules: null, serverNames: null }, { ${web}, rules: { http: null } }]`,
    `problem rule.toPorts[0].rules: is null: leave it out if no restriction is meant
problem rule.toPorts[0].serverNames: is null: leave it out if no restriction is meant
problem rule.toPorts[1].rules.http: is null: leave it out if no restriction is meant`,
  ],
  [
    "none in a denying rule",
    `toPorts: [{ ${web}, rules: { http: [{}] } }, { ${web}, serverNames: [a] }]`,
    `problem rule.toPorts[0].rules: a deny rule is decided at L3 and L4 alone
problem rule.toPorts[1].serverNames: a deny rule is decided at L3 and L4 alone`,
    { section: "ingressDeny" },
  ],
  [
    "none in a host policy, but for DNS on egress",
    `toPorts: [{ ${web}, rules: { http: [{}] } }]`,
    "problem rule.toPorts[0].rules: host policies take no L7 rules other than DNS rules on egress",
    { of: ccnp, selector: "nodeSelector: {}" },
  ],
];

for (const [sentence, rest, expected, options] of l7)
  test(`L7: ${sentence}`, () => assert.equal(shown(rest, options), expected));
