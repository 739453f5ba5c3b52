// Blocks of addresses and the exceptions inside them.
import { Address, Prefix } from "@tsilium/net";
import type { Field } from "./field.ts";

/** "10.0.0.0/8" or "fd00::/8". Host bits are cleared, and told. */
export function parsePrefix(field: Field): Prefix | undefined {
  const text = field.name();
  if (text === undefined) return undefined;
  const prefix = Prefix.tryParse(text, { mask: true });
  if (prefix === undefined) {
    const isAddress = Address.tryParse(text) !== undefined;
    field.problem(isAddress ? "needs a prefix length" : "is no block of addresses");
    return undefined;
  }
  if (Prefix.tryParse(text) === undefined) field.warn(`has host bits: taken as ${prefix}`);
  return prefix;
}

/** The same, or one address. */
export function parsePrefixOrAddress(field: Field): Prefix | undefined {
  const address = typeof field.value === "string" ? Address.tryParse(field.value) : undefined;
  return address ? Prefix.host(address) : parsePrefix(field);
}

export type ExceptOptions = {
  /** What the exceptions must lie in; undefined where that is not known here. */
  readonly inside: Prefix | undefined;
  /** They must leave something of the block (Kubernetes). */
  readonly strict?: boolean;
};

/** What a block does not match. An absent list and an empty one are the same here: nothing is excepted. */
export function parseExcept(field: Field, { inside, strict }: ExceptOptions): Prefix[] {
  return (field.items() ?? []).flatMap((item) => {
    const prefix = parsePrefix(item);
    if (prefix === undefined) return [];
    if (inside === undefined) return [prefix];
    if (prefix.family !== inside.family)
      item.problem(`is of another address family than ${inside}`);
    else if (!inside.contains(prefix)) item.problem(`is not inside ${inside}`);
    else if (strict === true && prefix.equals(inside)) item.problem(`leaves nothing of ${inside}`);
    return [prefix];
  });
}
