// What `hubble status` asks.
import { createClient } from "@tsilium/hubble/grpc/index.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as Serving,
  HealthCheckResponse_ServingStatusSchema as ServingSchema,
} from "@tsilium/hubble/gen/grpc/health/v1/health_pb.ts";
import { Observer, ServerStatusResponseSchema } from "@tsilium/hubble/gen/observer/observer_pb.ts";
import { CommandError } from "../../../cli/src/failure.ts";
import type { Context } from "../commands/context.ts";
import { messageLine } from "../print/json-lines.ts";
import { statusCompact, statusDict, statusTable } from "../print/server-status.ts";
import { askServer, type Server } from "./connect.ts";

/** @throws CommandError for a server that does not serve */
export async function printStatus(format: string, context: Context): Promise<void> {
  const print = printerOf(format);
  await askServer(context, async (server) => {
    await checkHealth(server, format);
    const status = await createClient(Observer, server.grpc.transport).serverStatus({});
    process.stdout.write(print(status));
  });
}

async function checkHealth({ grpc, address }: Server, format: string): Promise<void> {
  const { status } = await createClient(Health, grpc.transport).check({
    service: Observer.typeName,
  });
  const healthy = status === Serving.SERVING;
  const name = ServingSchema.value[status]?.name ?? String(status);
  if (format === "compact")
    process.stdout.write(
      `Healthcheck (via ${address.replace(/^tls:\/\//, "")}): ${healthy ? "Ok" : `Unavailable: ${name}`}\n`,
    );
  if (!healthy)
    throw new CommandError(
      `${address} is not healthy: ${name}`,
      "Relay is so until it has a node; `hubble list nodes` says how they are.",
    );
}

function printerOf(format: string): typeof statusCompact {
  switch (format) {
    case "compact":
      return statusCompact;
    case "dict":
      return statusDict;
    case "tab":
    case "table":
      return statusTable;
    case "json":
    case "JSON":
    case "jsonpb":
      return (status) => messageLine(ServerStatusResponseSchema, status);
    default:
      throw new CommandError(
        `there is no output format "${format}"`,
        "One of compact, dict, json, table.",
      );
  }
}
