// cilium.io/v2 CiliumCIDRGroup: blocks of addresses under a name, and labels to select them by.
import { Labels } from "@tsilium/net";
import type { CidrGroup } from "../model.ts";
import { parsePrefixOrAddress } from "./cidr.ts";
import type { Field } from "./field.ts";
import { parseName } from "./metadata.ts";

export function parseGroup(object: Field): CidrGroup | undefined {
  const metadata = object.at("metadata");
  if (!metadata.isObject()) return undefined;
  const name = parseName(metadata.at("name"));
  const labels = Labels.of(
    (metadata.at("labels").entries() ?? []).map(([key, value]) => ({
      source: "k8s",
      key,
      value: value.text() ?? "",
    })),
  );
  const spec = object.at("spec");
  if (!spec.isObject()) return undefined;
  spec.only(["externalCIDRs"]);
  const list = spec.at("externalCIDRs");
  if (!list.isGiven) list.problem("required");
  const prefixes = (list.items() ?? []).flatMap((item) => parsePrefixOrAddress(item) ?? []);
  return name === undefined ? undefined : { name, labels, prefixes };
}
