// One pod, those who talk with it, and policies: what is decided, as one line of text.
import { Address } from "@tsilium/net";
import type {
  CidrGroup,
  Direction,
  PeerIdentity,
  Policy,
  PolicyService,
  PolicySettings,
  RuleName,
  Subject,
} from "../../model.ts";
import { defaults, identity, subject as subjectOf } from "./build.ts";
import { ruleSetText, ruleText } from "./l7.ts";
import { type NodeAnswer, TestNode } from "./node.ts";

export type SceneOptions = {
  readonly policies: readonly Policy[];
  readonly settings?: Partial<PolicySettings>;
  /** Subject 1. Default: `app=db`. */
  readonly subject?: Subject;
  /** Besides those below. */
  readonly peers?: readonly PeerIdentity[];
  readonly cidrGroups?: readonly CidrGroup[];
  readonly services?: readonly PolicyService[];
  /** That packets may come from. */
  readonly addresses?: readonly string[];
};

export const peerIds = { host: 1, world: 2, node: 6, web: 300, api: 301, db: 302 } as const;

const everybody: readonly PeerIdentity[] = [
  identity(1, ["reserved:host"]),
  identity(2, ["reserved:world"]),
  identity(6, ["reserved:remote-node"]),
  identity(300, ["app=web", "env=prod"], [{ name: "http", protocol: 6, port: 8080 }]),
  identity(301, ["app=api", "env=prod"]),
  identity(302, ["app=db"]),
];

export type Question = {
  readonly direction?: Direction;
  readonly peer: keyof typeof peerIds | number;
  /** "80", "53/udp", "icmp 8", "gre". Default 80. */
  readonly port?: string;
  readonly address?: string;
};

export class Scene {
  readonly node: TestNode;

  constructor({ policies, settings, subject, peers, ...options }: SceneOptions) {
    const addresses = (options.addresses ?? []).map((text) => Address.parse(text));
    this.node = new TestNode({ ...defaults, ...settings }, addresses);
    const { compiler } = this.node;
    for (const one of [...everybody, ...(peers ?? [])]) compiler.setIdentity(one);
    for (const group of options.cidrGroups ?? []) compiler.setCidrGroup(group);
    for (const service of options.services ?? []) compiler.setService(service);
    for (const policy of policies) compiler.setPolicy(policy);
    compiler.setSubject(subject ?? subjectOf(1, ["app=db"]));
    this.node.commit();
  }

  /** "allow by p[0]", "deny by default of p and q", "deny by init", "audit by p[1]", or the rule set; [n] is "spec.rules[n]". */
  ask({ direction = "ingress", peer, port = "80", address = "192.0.2.1" }: Question): string {
    const answer = this.node.decide({
      subject: 1,
      direction,
      identity: typeof peer === "number" ? peer : peerIds[peer],
      address: Address.parse(address),
      ...packetOf(port),
    });
    const { compiler } = this.node;
    return answer.ruleSet
      ? ruleSetText(answer.ruleSet, (rule) => ruleText(compiler.ruleName(rule)))
      : answerText(answer);
  }
}

export function answerText({ verdict, name }: NodeAnswer): string {
  return verdict === "unknown peer" ? verdict : `${verdict} by ${nameText(name)}`;
}

function nameText(name: RuleName | undefined): string {
  switch (name?.kind) {
    case "rule":
      return `${name.ref.name}${name.path.replace("spec.rules", "")}`;
    case "default-deny":
      return `default of ${name.by.map(({ ref }) => ref.name).join(" and ")}`;
    case "builtin":
      return name.reason;
    case undefined:
      return "nothing known";
  }
}

function packetOf(text: string): { readonly protocol: number; readonly port: number } {
  if (text === "gre") return { protocol: 47, port: 0 };
  if (text.startsWith("icmp ")) return { protocol: 1, port: Number(text.slice(5)) };
  const [port = "", name = "tcp"] = text.split("/");
  return { protocol: { tcp: 6, udp: 17, sctp: 132 }[name] as number, port: Number(port) };
}
