// Quantities, addresses and prefixes in CEL expressions, as Kubernetes has them.
import { isIP } from "node:net";
import type { Environment } from "@marcbachmann/cel-js";
import { Address, Prefix } from "@tsilium/net";

const suffixes: Readonly<Record<string, readonly [bigint, bigint]>> = {
  n: [1n, 1_000_000_000n],
  u: [1n, 1_000_000n],
  m: [1n, 1000n],
  "": [1n, 1n],
  k: [1000n, 1n],
  M: [1000n ** 2n, 1n],
  G: [1000n ** 3n, 1n],
  T: [1000n ** 4n, 1n],
  P: [1000n ** 5n, 1n],
  E: [1000n ** 6n, 1n],
  Ki: [1024n, 1n],
  Mi: [1024n ** 2n, 1n],
  Gi: [1024n ** 3n, 1n],
  Ti: [1024n ** 4n, 1n],
  Pi: [1024n ** 5n, 1n],
  Ei: [1024n ** 6n, 1n],
};

/** In billionths: the finest that quantities tell. */
class Quantity {
  readonly nano: bigint;
  constructor(nano: bigint) {
    this.nano = nano;
  }

  static parse(text: string): Quantity | undefined {
    const found =
      /^([+-]?)(\d*)(?:\.(\d*))?(?:(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)|[eE]([+-]?\d{1,2}))?$/.exec(
        text,
      );
    if (!found || text.length > 100) return undefined;
    const [, sign, whole = "", fraction = "", suffix = "", exponent] = found;
    if (whole === "" && fraction === "") return undefined;
    const [times, per] = suffixes[suffix] as readonly [bigint, bigint];
    const power = Number(exponent ?? 0);
    const up = times * (power > 0 ? 10n ** BigInt(power) : 1n);
    const down = per * 10n ** BigInt(fraction.length) * (power < 0 ? 10n ** BigInt(-power) : 1n);
    const scaled = BigInt(whole + fraction || "0") * up * 1_000_000_000n;
    const nano = (scaled + down - 1n) / down;
    return new Quantity(sign === "-" ? -nano : nano);
  }
}

const one = 1_000_000_000n;
const compare = (a: bigint, b: bigint) => (a < b ? -1n : a > b ? 1n : 0n);

function quantity(text: string): Quantity {
  const parsed = Quantity.parse(text);
  if (!parsed)
    throw new Error(
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    );
  return parsed;
}

export function addQuantities(environment: Environment): void {
  environment
    .registerType("Quantity", Quantity)
    .registerFunction("quantity(string): Quantity", quantity)
    .registerFunction(
      "isQuantity(string): bool",
      (text: string) => Quantity.parse(text) !== undefined,
    )
    .registerOperator("Quantity == Quantity", (a: Quantity, b: Quantity) => a.nano === b.nano)
    .registerFunction("Quantity.sign(): int", (a: Quantity) => compare(a.nano, 0n))
    .registerFunction(
      "Quantity.isGreaterThan(Quantity): bool",
      (a: Quantity, b: Quantity) => a.nano > b.nano,
    )
    .registerFunction(
      "Quantity.isLessThan(Quantity): bool",
      (a: Quantity, b: Quantity) => a.nano < b.nano,
    )
    .registerFunction("Quantity.compareTo(Quantity): int", (a: Quantity, b: Quantity) =>
      compare(a.nano, b.nano),
    )
    .registerFunction("Quantity.isInteger(): bool", (a: Quantity) => a.nano % one === 0n)
    .registerFunction(
      "Quantity.asApproximateFloat(): double",
      (a: Quantity) => Number(a.nano) / 1e9,
    )
    .registerFunction("Quantity.asInteger(): int", (a: Quantity) => {
      if (a.nano % one !== 0n) throw new Error("cannot convert value to integer");
      return a.nano / one;
    });
  for (const [name, change] of [
    ["add", (a: bigint, b: bigint) => a + b],
    ["sub", (a: bigint, b: bigint) => a - b],
  ] as const) {
    environment
      .registerFunction(
        `Quantity.${name}(Quantity): Quantity`,
        (a: Quantity, b: Quantity) => new Quantity(change(a.nano, b.nano)),
      )
      .registerFunction(
        `Quantity.${name}(int): Quantity`,
        (a: Quantity, b: bigint) => new Quantity(change(a.nano, b * one)),
      );
  }
}

class Ip {
  readonly address: Address;
  readonly text: string;
  constructor(text: string) {
    if (!isIp(text))
      throw new Error(`IP Address '${text}' parse error during conversion from string`);
    this.text = text;
    this.address = Address.parse(text);
  }
}

class Cidr {
  /** As it was written: perhaps with bits behind the prefix. */
  readonly host: Address;
  readonly prefix: Prefix;
  constructor(text: string) {
    if (!isCidr(text)) throw new Error(`CIDR '${text}' parse error during conversion from string`);
    const [address = "", length] = text.split("/");
    this.host = Address.parse(address);
    this.prefix = Prefix.of(this.host, Number(length), { mask: true });
  }

  toString(): string {
    return `${this.host.toString()}/${this.prefix.length}`;
  }
}

/** No zones, and no IPv4 in an IPv6's clothes. */
function isIp(text: string): boolean {
  return isIP(text) !== 0 && !text.includes("%") && !/^::ffff:/i.test(text);
}

function isCidr(text: string): boolean {
  const [address = "", length = "", more] = text.split("/");
  return (
    isIp(address) &&
    /^\d{1,3}$/.test(length) &&
    more === undefined &&
    Number(length) <= (isIP(address) === 4 ? 32 : 128)
  );
}

/** Prefixes that addresses are asked about. */
const special = {
  isUnspecified: ["0.0.0.0/32", "::/128"],
  isLoopback: ["127.0.0.0/8", "::1/128"],
  isLinkLocalMulticast: ["224.0.0.0/24", "ff02::/16"],
  isLinkLocalUnicast: ["169.254.0.0/16", "fe80::/10"],
} as const;

export function addAddresses(environment: Environment): void {
  environment
    .registerType("IP", Ip)
    .registerFunction("ip(string): IP", (text: string) => new Ip(text))
    .registerFunction("isIP(string): bool", isIp)
    .registerFunction("string(IP): string", ({ address }: Ip) => address.toString())
    .registerOperator("IP == IP", (a: Ip, b: Ip) => a.address.toString() === b.address.toString())
    .registerFunction("IP.family(): int", ({ text }: Ip) => (text.includes(":") ? 6n : 4n))
    .registerType("CIDR", Cidr)
    .registerFunction("cidr(string): CIDR", (text: string) => new Cidr(text))
    .registerFunction("isCIDR(string): bool", isCidr)
    .registerFunction("string(CIDR): string", (cidr: Cidr) => cidr.toString())
    .registerOperator("CIDR == CIDR", (a: Cidr, b: Cidr) => a.toString() === b.toString())
    .registerFunction("CIDR.containsIP(IP): bool", ({ prefix }: Cidr, { address }: Ip) =>
      prefix.contains(address),
    )
    .registerFunction("CIDR.containsIP(string): bool", ({ prefix }: Cidr, text: string) =>
      prefix.contains(new Ip(text).address),
    )
    .registerFunction("CIDR.containsCIDR(CIDR): bool", (a: Cidr, b: Cidr) => containsPrefix(a, b))
    .registerFunction("CIDR.containsCIDR(string): bool", (a: Cidr, text: string) =>
      containsPrefix(a, new Cidr(text)),
    )
    .registerFunction("CIDR.prefixLength(): int", ({ prefix }: Cidr) => BigInt(prefix.length))
    .registerFunction("CIDR.ip(): IP", ({ host }: Cidr) => new Ip(host.toString()))
    .registerFunction("CIDR.masked(): CIDR", ({ prefix }: Cidr) => new Cidr(prefix.toString()));
  for (const [name, prefixes] of Object.entries(special)) {
    const parsed = prefixes.map((text) => Prefix.parse(text));
    environment.registerFunction(`IP.${name}(): bool`, ({ address }: Ip) =>
      parsed.some((prefix) => prefix.contains(address)),
    );
  }
  const isGlobal = ({ address, text }: Ip) =>
    !Object.values(special)
      .flat()
      .some((prefix) => Prefix.parse(prefix).contains(address)) &&
    !/^(22[4-9]|23\d)\./.test(text) &&
    !/^ff/i.test(text) &&
    text !== "255.255.255.255";
  environment.registerFunction("IP.isGlobalUnicast(): bool", isGlobal);
}

function containsPrefix(outer: Cidr, inner: Cidr): boolean {
  return outer.prefix.contains(inner.prefix);
}
