// The cluster's DNS server as a source of answers: its own domain and the addresses of its services and
// endpoints; everything else is forwarded.
import { type ClusterView, findInCluster, findReverse, type Found } from "./cluster.ts";
import { type Answer, type DnsRecord, type Query, rcodes } from "./message.ts";
import { type Name, withinZone } from "./name.ts";
import type { Forwarder } from "./forward.ts";
import type { Source } from "./resolver.ts";

const negativeTtl = 5;

export class ClusterSource implements Source {
  readonly #view: ClusterView;
  readonly #domain: Name;
  readonly #forwarder: Forwarder;

  constructor(view: ClusterView, domain: Name, forwarder: Forwarder) {
    this.#view = view;
    this.#domain = domain;
    this.#forwarder = forwarder;
  }

  answer({ question }: Query): Answer | undefined {
    const context = { view: this.#view, domain: this.#domain };
    const rest = withinZone(question.name, this.#domain);
    if (rest) return toAnswer(findInCluster(rest, question, context), this.#domain);
    const reverse = findReverse(question, context);
    return reverse && toAnswer(reverse, this.#domain);
  }

  forward(bytes: Uint8Array, transport: "udp" | "tcp"): Promise<Uint8Array | undefined> {
    return this.#forwarder.forward(bytes, transport);
  }
}

/** Nothing found is said with the zone's SOA, so that it may be remembered for a moment (RFC 2308). */
function toAnswer({ exists, records, additional = [] }: Found, zone: Name): Answer {
  return {
    rcode: exists ? rcodes.ok : rcodes.noSuchName,
    authoritative: true,
    answers: records,
    authority: records.length > 0 ? [] : [soa(zone)],
    additional,
  };
}

function soa(zone: Name): DnsRecord {
  return {
    name: zone,
    ttl: negativeTtl,
    type: "SOA",
    primary: ["ns", "dns", ...zone],
    mailbox: ["hostmaster", ...zone],
    serial: 1,
  };
}
