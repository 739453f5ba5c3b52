// Writes the configuration into a copy of an object, for one load.
import type { CollectionSpec } from "@tsilium/ebpf";
import type { ConstantValue } from "./constants.ts";

/** A copy with these constants; those that the object lacks it does not use. */
export function withConstants(
  spec: CollectionSpec,
  constants: Readonly<Record<string, ConstantValue>>,
): CollectionSpec {
  const copy = spec.clone();
  for (const [name, value] of Object.entries(constants))
    if (copy.hasConstant(name)) copy.setConstant(name, value);
  return copy;
}
