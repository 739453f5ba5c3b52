// Packets written down as they nest:
//   ether({ src, dst }).ipv4({ src, dst }).tcp({ sport, dport, flags: "SYN" }).bytes()
// Lengths, next-protocol numbers and checksums come out right unless a field says otherwise.
import {
  arpLayer,
  etherLayer,
  vlanLayer,
  vxlanLayer,
  type ArpFields,
  type EtherFields,
  type VlanFields,
  type VxlanFields,
} from "./build-link.ts";
import {
  extensionLayer,
  fragmentLayer,
  ipv4Layer,
  ipv6Layer,
  type ExtensionFields,
  type FragmentFields,
  type Ipv4Fields,
  type Ipv6Fields,
} from "./build-ip.ts";
import { sctpLayer, type SctpFields } from "./build-sctp.ts";
import {
  icmpLayer,
  icmpv6Layer,
  tcpLayer,
  udpLayer,
  type IcmpFields,
  type Icmpv6Fields,
  type TcpFields,
  type UdpFields,
} from "./build-transport.ts";
import { toBytes, type Layer, type PayloadLike } from "./layer.ts";

/** A packet under construction: each call answers a longer one, the shorter stays usable. */
export class PacketBuilder {
  readonly #layers: readonly Layer[];

  constructor(layers: readonly Layer[] = []) {
    this.#layers = layers;
  }

  ether(fields: EtherFields = {}): PacketBuilder {
    return this.#with(etherLayer(fields));
  }

  vlan(fields: VlanFields): PacketBuilder {
    return this.#with(vlanLayer(fields));
  }

  arp(fields: ArpFields): PacketBuilder {
    return this.#with(arpLayer(fields));
  }

  ipv4(fields: Ipv4Fields): PacketBuilder {
    return this.#with(ipv4Layer(fields));
  }

  ipv6(fields: Ipv6Fields): PacketBuilder {
    return this.#with(ipv6Layer(fields));
  }

  /** An IPv6 extension header. */
  extension(fields: ExtensionFields): PacketBuilder {
    return this.#with(extensionLayer(fields));
  }

  /** An IPv6 fragment header. */
  fragment(fields: FragmentFields): PacketBuilder {
    return this.#with(fragmentLayer(fields));
  }

  tcp(fields: TcpFields): PacketBuilder {
    return this.#with(tcpLayer(fields));
  }

  udp(fields: UdpFields): PacketBuilder {
    return this.#with(udpLayer(fields));
  }

  sctp(fields: SctpFields): PacketBuilder {
    return this.#with(sctpLayer(fields));
  }

  icmp(fields: IcmpFields): PacketBuilder {
    return this.#with(icmpLayer(fields));
  }

  icmpv6(fields: Icmpv6Fields): PacketBuilder {
    return this.#with(icmpv6Layer(fields));
  }

  /** Goes on with `ether`: what travels inside the tunnel. */
  vxlan(fields: VxlanFields): PacketBuilder {
    return this.#with(vxlanLayer(fields));
  }

  /** Bytes as they are; text as UTF-8. */
  payload(bytes: PayloadLike): PacketBuilder {
    return this.#with({ encode: (inner) => Uint8Array.from([...toBytes(bytes), ...inner]) });
  }

  /** The packet from its outermost header on. @throws RangeError for fields that cannot be encoded */
  bytes(): Uint8Array {
    return this.#layers.reduceRight<Uint8Array>(
      (inner, layer, index) =>
        layer.encode(inner, {
          next: this.#layers[index + 1],
          ip: this.#layers.findLast((outer, at) => at < index && outer.endpoints)?.endpoints,
        }),
      new Uint8Array(),
    );
  }

  #with(layer: Layer): PacketBuilder {
    return new PacketBuilder([...this.#layers, layer]);
  }
}

/** A packet that starts with an Ethernet header. MACs default to zero. */
export function ether(fields: EtherFields = {}): PacketBuilder {
  return new PacketBuilder().ether(fields);
}

/** A packet that starts with an IPv4 header: what ICMP errors quote. */
export function ipv4(fields: Ipv4Fields): PacketBuilder {
  return new PacketBuilder().ipv4(fields);
}

/** A packet that starts with an IPv6 header. */
export function ipv6(fields: Ipv6Fields): PacketBuilder {
  return new PacketBuilder().ipv6(fields);
}
