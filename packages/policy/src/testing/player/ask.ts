// A question put to a player's maps, packet by packet, as the datapath would.
import { Address, Prefix } from "@tsilium/net";
import type { Direction, EndPoint, Explanation, RuleName } from "../../index.ts";
import { addressOf, type Family, type Party, partyName, type Question } from "../naive/index.ts";
import type { Decision } from "./kernel-policy.ts";
import { namedPortsOf } from "./node-view.ts";
import type { AddressRow, Player } from "./player.ts";

/** The address row that says who a party is; undefined when it has no address of the family. */
export function rowOf(player: Player, party: Party, family: Family): AddressRow | undefined {
  const address = addressOf(party, family);
  if (address === undefined) return undefined;
  return player.lookup(Prefix.parse(`${address}/${family === 4 ? 32 : 128}`));
}

/**
 * The decision of one end; undefined when that is no pod of the player's node. `as`: the peer comes with this identity,
 * whatever its address says.
 */
export function ask(
  player: Player,
  question: Question,
  direction: Direction,
  as: { readonly identity?: number } = {},
): Decision | undefined {
  const [mine, peer] =
    direction === "egress" ? [question.from, question.to] : [question.to, question.from];
  if (mine.kind !== "pod") return undefined;
  const subject = player.view.subjectOf.get(`${mine.pod.namespace}/${mine.pod.name}`);
  const row = rowOf(player, peer, question.family);
  if (subject === undefined || row === undefined) return undefined;
  const { identity, cidrSet } = { ...row, ...as };
  const protocol = protocolOf(question);
  return player.kernel.decide({
    subject,
    direction,
    identity,
    cidrSet,
    protocol,
    port: question.port,
  });
}

/** What the compiler says of both ends, which need not be pods of this node. */
export function explained(player: Player, question: Question): Explanation {
  const { from, to, port } = question;
  return player.compiler.explain({
    from: endPoint(player, from, question.family),
    to: endPoint(player, to, question.family),
    protocol: protocolOf(question),
    port,
  });
}

function endPoint(player: Player, party: Party, family: Family): EndPoint {
  const address = addressOf(party, family);
  const identity = rowOf(player, party, family)?.identity;
  const known = identity === undefined ? undefined : player.view.identities.get(identity);
  if (!known || address === undefined) throw new Error(`${partyName(party)} is not known`);
  const subject = player.view.subjectOf.get(partyName(party));
  return {
    identity: known.id,
    labels: known.labels,
    address: Address.parse(address),
    ...(party.kind === "pod" ? { namedPorts: namedPortsOf(party.pod) } : {}),
    ...(subject === undefined ? {} : { subject }),
  };
}

export function protocolOf({ protocol, family }: Question): number {
  if (protocol === "ICMP") return family === 4 ? 1 : 58;
  return { TCP: 6, UDP: 17, SCTP: 132 }[protocol];
}

/** "CiliumNetworkPolicy/red/policy-1 spec.ingress[0]", "default deny of ... and ...", "(no policy selects it)". */
export function causeText(name: RuleName | undefined): string {
  switch (name?.kind) {
    case undefined:
      return "nobody knows why";
    case "rule":
      return refText(name);
    case "default-deny":
      return `default deny of ${name.by.map(refText).sort().join(" and ")}`;
    case "builtin":
      return `(${name.reason})`;
  }
}

function refText({
  ref,
  path,
}:
  | (RuleName & { kind: "rule" })
  | Extract<RuleName, { kind: "default-deny" }>["by"][number]): string {
  return `${ref.kind}/${ref.namespace}/${ref.name} ${path}`;
}
