// Names of ICMP types and codes as Cilium's metrics have them (they are gopacket's): "EchoRequest",
// "DestinationUnreachable(Port)", "TimeExceeded(Code: 9)", "99(3)".

type Names = Readonly<
  Record<number, readonly [type: string, codes: Readonly<Record<number, string>>]>
>;

const codesOf = (...names: string[]) => ({ ...names }) as Readonly<Record<number, string>>;
const none = codesOf();

const icmp4: Names = {
  0: ["EchoReply", none],
  3: [
    "DestinationUnreachable",
    codesOf(
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
    ),
  ],
  4: ["SourceQuench", none],
  5: ["Redirect", codesOf("Net", "Host", "TOS+Net", "TOS+Host")],
  8: ["EchoRequest", none],
  9: ["RouterAdvertisement", none],
  10: ["RouterSolicitation", none],
  11: ["TimeExceeded", codesOf("TTLExceeded", "FragmentReassemblyTimeExceeded")],
  12: ["ParameterProblem", codesOf("PointerIndicatesError", "MissingOption", "BadLength")],
  13: ["TimestampRequest", none],
  14: ["TimestampReply", none],
  15: ["InfoRequest", none],
  16: ["InfoReply", none],
  17: ["AddressMaskRequest", none],
  18: ["AddressMaskReply", none],
};

const icmp6: Names = {
  1: [
    "DestinationUnreachable",
    codesOf(
      "NoRouteToDst",
      "AdminProhibited",
      "BeyondScopeOfSrc",
      "AddressUnreachable",
      "PortUnreachable",
      "SrcAddressFailedPolicy",
      "RejectRouteToDst",
    ),
  ],
  2: ["PacketTooBig", none],
  3: ["TimeExceeded", codesOf("HopLimitExceeded", "FragmentReassemblyTimeExceeded")],
  4: [
    "ParameterProblem",
    codesOf("ErroneousHeader", "UnrecognizedNextHeader", "UnrecognizedIPv6Option"),
  ],
  128: ["EchoRequest", none],
  129: ["EchoReply", none],
  133: ["RouterSolicitation", none],
  134: ["RouterAdvertisement", none],
  135: ["NeighborSolicitation", none],
  136: ["NeighborAdvertisement", none],
  137: ["Redirect", none],
};

export function icmpName(message: {
  readonly kind: "icmp4" | "icmp6";
  readonly type: number;
  readonly code: number;
}): string {
  const { kind, type, code } = message;
  const known = (kind === "icmp4" ? icmp4 : icmp6)[type];
  if (!known) return `${type}(${code})`;
  const [name, codes] = known;
  if (codes === none && code === 0) return name;
  return `${name}(${codes[code] ?? `Code: ${code}`})`;
}
