// Resource sets for tests of the protocol.
import { type DescMessage, type MessageInitShape, create, toBinary } from "@bufbuild/protobuf";
import { AnySchema, anyPack } from "@bufbuild/protobuf/wkt";
import type { Resource, ResourceSet } from "../resources/resources.ts";

/** What Ads serves, of messages that name themselves by `name` or `clusterName`. */
export function setOf<Desc extends DescMessage>(
  schema: Desc,
  resources: readonly MessageInitShape<Desc>[],
): ResourceSet {
  const set = new Map<string, Resource>();
  for (const init of resources) {
    const message = anyPack(schema, create(schema, init));
    const { name, clusterName } = init as { name?: string; clusterName?: string };
    const bytes = toBinary(AnySchema, message);
    set.set(name ?? clusterName ?? "", { bytes, message, secret: false, ports: new Set() });
  }
  return set;
}
