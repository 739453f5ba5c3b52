// `tsilium monitor`: drops, and with --trace every packet, as they happen, until Ctrl-C.
import { styleText } from "node:util";
import { type Command, Option } from "commander";
import { getLines } from "../agent-client.ts";
import type { eventView } from "../api.ts";
import { agentContext } from "../context.ts";
import { printable } from "../output.ts";
import { identityName } from "../reserved.ts";

type EventView = ReturnType<typeof eventView>;
type MonitorOptions = { trace?: boolean; relatedTo?: string; output: "text" | "json" };

const tracePoints: Record<number, string> = {
  1: "to pod",
  2: "to host",
  3: "to overlay",
  4: "to stack",
  5: "to network",
};

export function registerMonitor(program: Command): void {
  program
    .command("monitor")
    .description("drops as they happen; --trace shows every packet (slow)")
    .option("--trace", "forwarded packets too")
    .option("--related-to <endpoint>", "only events of this endpoint ID")
    .addOption(
      new Option("-o, --output <format>", "how to print").choices(["text", "json"]).default("text"),
    )
    .action(async ({ trace, relatedTo, output }: MonitorOptions, command: Command) => {
      const { socket } = agentContext(command);
      const stop = new AbortController();
      process.once("SIGINT", () => stop.abort()).once("SIGTERM", () => stop.abort());
      if (output === "text" && process.stderr.isTTY)
        console.error("Listening for events; Ctrl-C ends.");
      for await (const event of getLines<EventView>(
        socket,
        `/v1/monitor?trace=${trace === true}`,
        stop.signal,
      )) {
        if (relatedTo !== undefined && String(event.endpointId) !== relatedTo) continue;
        console.log(output === "json" ? JSON.stringify(event) : sentence(event));
      }
    });
}

function sentence(event: EventView): string {
  const what =
    event.kind === "drop"
      ? styleText("red", `drop ${event.code} (${event.reason})`)
      : (tracePoints[event.code] ?? `trace ${event.code}`);
  const identities = `${identityName(event.sourceIdentity)} -> ${identityName(event.destinationIdentity)}`;
  const endpoint = event.endpointId === 0 ? "" : ` endpoint ${event.endpointId}`;
  return `${event.time.slice(11)} ${what}${endpoint} ${event.direction} identity ${identities}: ${printable(event.summary)}`;
}
