// ICMP types and codes in Cilium's words (which are gopacket's).

type Type = { readonly name: string; readonly codes?: readonly string[] };

const icmp4: Readonly<Record<number, Type>> = {
  0: { name: "EchoReply" },
  3: {
    name: "DestinationUnreachable",
    codes: [
      "Net",
      "Host",
      "Protocol",
      "Port",
      "FragmentationNeeded",
      "SourceRoutingFailed",
      "NetUnknown",
      "HostUnknown",
      "SourceIsolated",
      "NetAdminProhibited",
      "HostAdminProhibited",
      "NetTOS",
      "HostTOS",
      "CommAdminProhibited",
      "HostPrecedence",
      "PrecedenceCutoff",
    ],
  },
  4: { name: "SourceQuench" },
  5: { name: "Redirect", codes: ["Net", "Host", "TOS+Net", "TOS+Host"] },
  8: { name: "EchoRequest" },
  9: { name: "RouterAdvertisement" },
  10: { name: "RouterSolicitation" },
  11: { name: "TimeExceeded", codes: ["TTLExceeded", "FragmentReassemblyTimeExceeded"] },
  12: { name: "ParameterProblem", codes: ["PointerIndicatesError", "MissingOption", "BadLength"] },
  13: { name: "TimestampRequest" },
  14: { name: "TimestampReply" },
  15: { name: "InfoRequest" },
  16: { name: "InfoReply" },
  17: { name: "AddressMaskRequest" },
  18: { name: "AddressMaskReply" },
};

const icmp6: Readonly<Record<number, Type>> = {
  1: {
    name: "DestinationUnreachable",
    codes: [
      "NoRouteToDst",
      "AdminProhibited",
      "BeyondScopeOfSrc",
      "AddressUnreachable",
      "PortUnreachable",
      "SrcAddressFailedPolicy",
      "RejectRouteToDst",
    ],
  },
  2: { name: "PacketTooBig" },
  3: { name: "TimeExceeded", codes: ["HopLimitExceeded", "FragmentReassemblyTimeExceeded"] },
  4: {
    name: "ParameterProblem",
    codes: ["ErroneousHeader", "UnrecognizedNextHeader", "UnrecognizedIPv6Option"],
  },
  128: { name: "EchoRequest" },
  129: { name: "EchoReply" },
  133: { name: "RouterSolicitation" },
  134: { name: "RouterAdvertisement" },
  135: { name: "NeighborSolicitation" },
  136: { name: "NeighborAdvertisement" },
  137: { name: "Redirect" },
};

/** Made once each; 256 types with 256 codes of two families at the most. */
const summaries = new Map<number, string>();

/** "ICMPv4 EchoRequest", "ICMPv6 DestinationUnreachable(PortUnreachable)", "ICMPv4 200(3)" */
export function icmpSummary(family: 4 | 6, type: number, code: number): string {
  const key = (family << 16) | (type << 8) | code;
  const known = summaries.get(key);
  if (known !== undefined) return known;
  const summary = `ICMPv${family} ${icmpName(family, type, code)}`;
  summaries.set(key, summary);
  return summary;
}

/** "EchoRequest", "DestinationUnreachable(Port)", "TimeExceeded(Code: 9)", "99(3)" */
export function icmpName(family: 4 | 6, type: number, code: number): string {
  const known = (family === 4 ? icmp4 : icmp6)[type];
  if (!known) return `${type}(${code})`;
  const { name, codes } = known;
  if (!codes && code === 0) return name;
  const word = codes?.[code];
  return word === undefined ? `${name}(Code: ${code})` : `${name}(${word})`;
}
