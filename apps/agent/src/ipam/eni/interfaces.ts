// The instance's interfaces as the CiliumNode tells of them. Pure; what cannot be read is left out.
import type { CiliumNode } from "@tsilium/kube";
import { Address, Mac, Prefix } from "@tsilium/net";

export type EniInterface = {
  readonly id: string;
  readonly mac: Mac;
  /** Device index: 0 is the one that the instance was made with. */
  readonly number: number;
  readonly primary: Address;
  readonly subnet: Prefix;
  /** The subnet's router, which is the way to everywhere. */
  readonly gateway: Address;
  /** IPv4 ranges of the VPC, the primary one first. */
  readonly vpcCidrs: readonly Prefix[];
};

/** An address for pods, and the interface that holds it. */
export type EniAddress = { readonly address: Address; readonly interfaceId: string };

/** Numbers are parts of routing tables' numbers: more than any instance has is nonsense. */
const highestNumber = 200;

export function interfacesOf(node: CiliumNode): EniInterface[] {
  const enis = node.status?.eni?.enis ?? {};
  return Object.entries(enis)
    .flatMap(([id, eni]) => {
      const subnet = Prefix.tryParse(eni.subnet?.cidr ?? "");
      const primary = Address.tryParse(eni.ip ?? "");
      const mac = macOf(eni.mac ?? "");
      const { number } = eni;
      const isNumbered = Number.isInteger(number) && (number ?? -1) >= 0;
      if (!subnet || subnet.length > 29 || primary?.family !== 4 || !mac || !isNumbered) return [];
      if ((number as number) > highestNumber) return [];
      const ranges = new Set([eni.vpc?.["primary-cidr"] ?? "", ...(eni.vpc?.cidrs ?? [])]);
      const cidrs = [...ranges].flatMap((text) => Prefix.tryParse(text) ?? []);
      return [
        {
          id,
          mac,
          number: number as number,
          primary,
          subnet,
          // AWS keeps the address after the network's own for it.
          gateway: subnet.nth(1),
          vpcCidrs: cidrs.length > 0 ? cidrs : [subnet],
        },
      ];
    })
    .toSorted((a, b) => a.number - b.number);
}

/** spec.ipam.pool: IPv4 addresses of known interfaces, in numeric order. */
export function addressesOf(node: CiliumNode): EniAddress[] {
  return Object.entries(node.spec?.ipam?.pool ?? {})
    .flatMap(([text, { resource = "" }]) => {
      const address = Address.tryParse(text);
      return address?.family === 4 && resource ? [{ address, interfaceId: resource }] : [];
    })
    .toSorted((a, b) => a.address.compare(b.address));
}

function macOf(text: string): Mac | undefined {
  try {
    return Mac.parse(text);
  } catch {
    return undefined;
  }
}
