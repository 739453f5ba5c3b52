// The first packet of a flow of any protocol that policy knows.
import { ether, type PacketBuilder } from "@tsilium/net";
import {
  addressOf,
  partyName,
  type Question,
} from "../../packages/policy/src/testing/naive/index.ts";
import { protocolOf } from "../../packages/policy/src/testing/player/index.ts";
import { macs } from "./world.ts";

/** Of every pod: which one it is, the interface tells. */
export const podMac = macs.a;

const firstSourcePort = 20_000;
const sourcePorts = 20_000;

/** `number` tells flows apart: each has a source port, or an ICMP id, of its own. */
export function packetOf(question: Question, number: number): Uint8Array {
  const source = firstSourcePort + (number % sourcePorts);
  const ip = ipOf(question);
  switch (question.protocol) {
    case "TCP":
      return ip.tcp({ sport: source, dport: question.port, flags: "SYN" }).bytes();
    case "UDP":
      return ip.udp({ sport: source, dport: question.port, payload: "x" }).bytes();
    case "SCTP":
      return ip.payload(words([source, question.port, 0, 1, 0, 0])).bytes();
    case "ICMP":
      return ip.payload(words([question.port << 8, 0, source, 1])).bytes();
  }
}

function ipOf(question: Question): PacketBuilder {
  const { from, to, family } = question;
  const [src, dst] = [from, to].map((party) => {
    const address = addressOf(party, family);
    if (address === undefined) throw new Error(`${partyName(party)} has no IPv${family} address`);
    return address;
  });
  const link = ether({ src: podMac, dst: macs.here });
  const protocol = protocolOf(question);
  const fields = { src: src as string, dst: dst as string };
  // A layer that follows says its protocol itself.
  const isBare = question.protocol === "SCTP" || question.protocol === "ICMP";
  const bare = isBare ? { protocol } : {};
  return family === 4 ? link.ipv4({ ...fields, ...bare }) : link.ipv6({ ...fields, ...bare });
}

/** 16-bit words in network order. */
function words(values: readonly number[]): Uint8Array {
  return Uint8Array.from(values.flatMap((value) => [value >> 8, value & 255]));
}
