// What Envoy says it is.
import type { Node } from "./gen/envoy/config/core/v3/base_pb.ts";

/** "envoy 1.38.0"; "envoy (not connected)". */
export function describeNode(node: Node | undefined): string {
  if (node === undefined) return "envoy (not connected)";
  const { userAgentName: name, userAgentVersionType: type } = node;
  const shown = /^[\w.-]{1,40}$/.test(name) ? name : "envoy";
  if (type.case === "userAgentVersion")
    return `${shown} ${type.value.replace(/[^\w.+-]/g, "").slice(0, 40)}`;
  const version = type.value?.version;
  if (version === undefined) return shown;
  return `${shown} ${version.majorNumber}.${version.minorNumber}.${version.patch}`;
}
