// Keys of `ipam: eni`. Names are Cilium's but for aws-region and aws-credentials-file.
import { duration, flag, type Keys, text, wholeNumber, words } from "@tsilium/runtime/config.ts";

export const eniKeys = {
  "ec2-api-endpoint": text("", "URL of the EC2 API; empty: the region's own"),
  "aws-region": text("", "region of the EC2 API; empty: AWS's own search (environment, files)"),
  "aws-credentials-file": text(
    "",
    "file of AWS's credentials format, profile default; empty: AWS's own search, the instance's role at last",
  ),
  "aws-enable-prefix-delegation": flag(
    false,
    "give interfaces /28 prefixes where they can have them",
  ),
  "aws-use-primary-address": flag(
    false,
    "interfaces' own addresses are for pods too, but for the first one's",
  ),
  "aws-release-excess-ips": flag(false, "take addresses back that nodes have too many of"),
  "excess-ip-release-delay": duration(
    180_000,
    "how long an address is too many before it is taken back",
  ),
  "aws-max-results-per-call": wholeNumber(
    0,
    [0, 1000],
    "rows of one page of EC2's answers; 0: EC2's own",
  ),
  "eni-tags": words("KEY=VALUE tags of interfaces made for nodes"),
  "eni-gc-interval": duration(
    300_000,
    "time between looks for interfaces that nobody has any more; 0: none",
  ),
  "eni-gc-tags": words(
    "KEY=VALUE tags of interfaces that may be deleted when nobody has them; empty: those made for this cluster",
  ),
  "subnet-ids-filter": words("only these subnets; empty: all"),
  "subnet-tags-filter": words("only subnets that have these KEY=VALUE tags"),
  "instance-tags-filter": words("only instances that have these KEY=VALUE tags"),
  "limit-ipam-api-qps": wholeNumber(4, [1, 1000], "calls of the cloud's API a second"),
  "limit-ipam-api-burst": wholeNumber(
    20,
    [1, 1000],
    "calls of the cloud's API at once after a rest",
  ),
  "parallel-alloc-workers": wholeNumber(50, [1, 1000], "nodes that addresses are got for at once"),
  "ipam-resync-interval": duration(60_000, "time between reads of everything the cloud has"),
} satisfies Keys;

/** "a=b" entries as tags. Undefined for an entry that is none. */
export function tagsOf(entries: readonly string[]): Readonly<Record<string, string>> | undefined {
  const pairs = entries.map((entry) => /^([^=]+)=(.*)$/s.exec(entry));
  if (pairs.some((pair) => !pair)) return undefined;
  return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? "", pair?.[2] ?? ""]));
}

const tagKeys = ["eni-tags", "eni-gc-tags", "subnet-tags-filter", "instance-tags-filter"] as const;

/** Settings that cannot be. */
export function eniContradictions(
  config: Readonly<Record<(typeof tagKeys)[number], readonly string[]>> & {
    readonly "ec2-api-endpoint": string;
  },
): string[] {
  const bad = tagKeys
    .filter((key) => tagsOf(config[key]) === undefined)
    .map((key) => `${key}: entries are KEY=VALUE`);
  const endpoint = config["ec2-api-endpoint"];
  return endpoint === "" || /^https?:\/\/[^/]+/.test(endpoint)
    ? bad
    : [...bad, "ec2-api-endpoint is no http or https URL"];
}
