// What `hubble list` asks.
import { type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf";
import { NamespaceSchema, NodeSchema, Observer } from "@tsilium/hubble/gen/observer/observer_pb.ts";
import { createClient } from "@tsilium/hubble/grpc/index.ts";
import { CommandError } from "../../../cli/src/failure.ts";
import type { Context } from "../commands/context.ts";
import { jsonLine } from "../print/json-lines.ts";
import { namespacesText, nodesText } from "../print/nodes.ts";
import { askServer } from "./connect.ts";

export async function printList(
  what: "nodes" | "namespaces",
  format: string,
  context: Context,
): Promise<void> {
  if (!["table", "wide", "json"].includes(format))
    throw new CommandError(`there is no output format "${format}"`, "One of table, wide, json.");
  await askServer(context, async ({ grpc }) => {
    const observer = createClient(Observer, grpc.transport);
    const text =
      what === "nodes"
        ? nodesOutput((await observer.getNodes({})).nodes, format)
        : namespacesOutput((await observer.getNamespaces({})).namespaces, format);
    process.stdout.write(text);
  });
}

function nodesOutput(nodes: Parameters<typeof nodesText>[0], format: string): string {
  const sorted = nodes.toSorted((one, other) => (one.name < other.name ? -1 : 1));
  return format === "json" ? listJson(NodeSchema, sorted) : nodesText(sorted, format === "wide");
}

function namespacesOutput(
  namespaces: Parameters<typeof namespacesText>[0],
  format: string,
): string {
  return format === "json"
    ? listJson(NamespaceSchema, namespaces)
    : namespacesText(namespaces, format === "wide");
}

function listJson<Desc extends DescMessage>(
  schema: Desc,
  messages: readonly MessageShape<Desc>[],
): string {
  const list = messages.map((message) => toJson(schema, message, { useProtoFieldName: true }));
  return jsonLine(list, 2);
}
