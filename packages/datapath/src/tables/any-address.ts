// The unspecified addresses: a table row can hold them, however little sense a packet with one makes.
import { Address } from "@tsilium/net";

export const anyAddress = { 4: Address.parse("0.0.0.0"), 6: Address.parse("::") } as const;
