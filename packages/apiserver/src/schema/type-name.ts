// What OpenAPI documents call a kind: "io.k8s.api.core.v1.Pod", "io.cilium.v2.CiliumNode".
import type { Kind } from "../kinds/kind.ts";
import { builtinName } from "./api-types/definitions.ts";

export function typeName(kind: Pick<Kind, "group" | "kind">, version: string): string {
  const own = builtinName(kind.group, version, kind.kind);
  return own ?? [...kind.group.split(".").toReversed(), version, kind.kind].join(".");
}
