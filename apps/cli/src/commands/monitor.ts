// `tsilium monitor`: drops and what only audit mode lets through, on request verdicts and every packet, as they happen,
// until Ctrl-C.
import { styleText } from "node:util";
import { type Command, Option } from "commander";
import { getLines } from "../agent-client.ts";
import type { eventView } from "../api.ts";
import { agentContext } from "../context.ts";
import { printable } from "../output.ts";
import { identityName } from "../reserved.ts";

type EventView = ReturnType<typeof eventView>;
type MonitorOptions = {
  readonly trace?: true;
  readonly verdicts?: true;
  readonly relatedTo?: string;
  readonly output: "text" | "json";
};

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
    .description("drops as they happen, with the rule that caused them")
    .option("--verdicts", "what policy allows too, once for each connection")
    .option("--trace", "every forwarded packet (slow)")
    .option("--related-to <endpoint>", "only events of this endpoint ID")
    .addOption(
      new Option("-o, --output <format>", "how to print").choices(["text", "json"]).default("text"),
    )
    .addHelpText(
      "after",
      `
Examples:
  tsilium monitor --related-to 11897
  tsilium --node node-2 monitor --verdicts -o json`,
    )
    .action(async ({ trace, verdicts, relatedTo, output }: MonitorOptions, command: Command) => {
      const { socket } = agentContext(command);
      const stop = new AbortController();
      process.once("SIGINT", () => stop.abort()).once("SIGTERM", () => stop.abort());
      if (output === "text" && process.stderr.isTTY)
        console.error("Listening for events; Ctrl-C ends.");
      for await (const event of getLines<EventView>(
        socket,
        `/v1/monitor?trace=${trace === true}&verdicts=${verdicts === true}`,
        stop.signal,
      )) {
        if (relatedTo !== undefined && String(event.endpointId) !== relatedTo) continue;
        console.log(output === "json" ? JSON.stringify(event) : sentence(event));
      }
    });
}

/** An event in a line for people. */
export function sentence(event: EventView): string {
  const identities = `${identityName(event.sourceIdentity)} -> ${identityName(event.destinationIdentity)}`;
  const endpoint = event.endpointId === 0 ? "" : ` endpoint ${event.endpointId}`;
  return `${event.time.slice(11)} ${whatHappened(event)}${endpoint} ${event.direction} identity ${identities}: ${printable(event.summary)}${ruleText(event)}`;
}

function whatHappened({ kind, code, reason, verdict }: EventView): string {
  switch (kind) {
    case "drop":
      return styleText("red", `drop ${code} (${reason})`);
    case "trace":
      return tracePoints[code] ?? `trace ${code}`;
    case "policy-verdict":
      return verdict === "audit"
        ? styleText("yellow", "policy audit (let through)")
        : styleText("green", `policy ${verdict ?? code}`);
  }
}

/** Which rule it was: of a drop and of audit the one that denies. */
function ruleText({ kind, verdict, rule }: EventView): string {
  if (rule === undefined) return "";
  const denies = kind === "drop" || verdict === "audit";
  return `; ${denies ? "denied" : "allowed"} by ${printable(rule.name)}`;
}
