// Keys of `ipam: eni` (docs/ipam-eni.md).
import { flag, type Keys, text, wholeNumber, words } from "@tsilium/runtime/config.ts";

const help = "read by the operator";

export const eniKeys = {
  "eni-first-interface-index": wholeNumber(
    0,
    [0, 50],
    "eni: interfaces of a lower device index are not for pods",
  ),
  "eni-subnet-ids": words("eni: subnets to make interfaces in; empty: by tags"),
  "eni-subnet-tags": words(
    "eni: KEY=VALUE tags of subnets to make interfaces in; empty: the node's",
  ),
  "eni-security-groups": words("eni: security groups of new interfaces; empty: by tags"),
  "eni-security-group-tags": words(
    "eni: KEY=VALUE tags of security groups of new interfaces; empty: those of the first interface",
  ),
  "eni-exclude-interface-tags": words(
    "eni: interfaces that have these KEY=VALUE tags are not for pods",
  ),
  "eni-delete-on-termination": flag(true, "eni: new interfaces go with their instance"),
  "eni-use-primary-address": flag(false, "eni: interfaces' own addresses are for pods too"),
  "eni-disable-prefix-delegation": flag(false, "eni: single addresses on this node"),
  "ipam-min-allocate": wholeNumber(0, [0, 10_000], "eni: addresses to have at least"),
  "ipam-pre-allocate": wholeNumber(8, [1, 10_000], "eni: free addresses to have ready"),
  "ipam-max-allocate": wholeNumber(0, [0, 10_000], "eni: addresses to have at most; 0: no limit"),
  "ipam-max-above-watermark": wholeNumber(
    0,
    [0, 10_000],
    "eni: further addresses to ask for when some are asked for",
  ),
  "ec2-metadata-endpoint": text(
    "http://169.254.169.254",
    "eni: URL of the instance's metadata service (version 2)",
  ),
  "ec2-api-endpoint": text("", help),
  "aws-region": text("", help),
  "aws-credentials-file": text("", help),
  "aws-enable-prefix-delegation": text("", help),
  "aws-use-primary-address": text("", help),
  "aws-release-excess-ips": text("", help),
  "excess-ip-release-delay": text("", help),
  "aws-max-results-per-call": text("", help),
  "eni-tags": text("", help),
  "eni-gc-interval": text("", help),
  "eni-gc-tags": text("", help),
  "subnet-ids-filter": text("", help),
  "subnet-tags-filter": text("", help),
  "instance-tags-filter": text("", help),
  "limit-ipam-api-qps": text("", help),
  "limit-ipam-api-burst": text("", help),
  "parallel-alloc-workers": text("", help),
  "ipam-resync-interval": text("", help),
} satisfies Keys;

type EniConfig = {
  readonly ipam: string;
  readonly "routing-mode": string;
  readonly "enable-ipv4": boolean;
  readonly "enable-ipv6": boolean;
} & Readonly<Record<(typeof tagKeys)[number], readonly string[]>>;

const tagKeys = [
  "eni-subnet-tags",
  "eni-security-group-tags",
  "eni-exclude-interface-tags",
] as const;

/** Settings that are fine one by one and senseless together. */
export function eniContradictions(config: EniConfig): string[] {
  const bad = tagKeys
    .filter((key) => tagsOf(config[key]) === undefined)
    .map((key) => `${key}: entries are KEY=VALUE`);
  if (config.ipam !== "eni") return bad;
  return [
    ...bad,
    ...(config["routing-mode"] === "native" ? [] : ["ipam eni needs routing-mode native"]),
    ...(config["enable-ipv4"] && !config["enable-ipv6"]
      ? []
      : ["ipam eni gives IPv4 addresses only: enable-ipv4 must be true and enable-ipv6 false"]),
  ];
}

/** "a=b" entries as tags. Undefined when one of them is none. */
export function tagsOf(entries: readonly string[]): Readonly<Record<string, string>> | undefined {
  const pairs = entries.map((entry) => /^([^=]+)=(.*)$/s.exec(entry));
  if (pairs.some((pair) => !pair)) return undefined;
  return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? "", pair?.[2] ?? ""]));
}
