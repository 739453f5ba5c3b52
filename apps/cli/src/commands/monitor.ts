// `tsilium monitor`: drops and what only audit mode lets through, on request verdicts and every packet, as they happen,
// until Ctrl-C.
import { styleText } from "node:util";
import { type Command, Option } from "commander";
import { getLines } from "../agent-client.ts";
import type { eventView, translationView } from "../api.ts";
import { agentContext } from "../context.ts";
import { printable } from "../output.ts";
import { identityName } from "../reserved.ts";

type EventView = ReturnType<typeof eventView>;
type TranslationView = ReturnType<typeof translationView>;
type MonitorOptions = {
  readonly trace?: true;
  readonly verdicts?: true;
  readonly relatedTo?: string;
  readonly output: "text" | "json";
};

/** Cilium's numbers of observation points. */
const tracePoints: Record<number, string> = {
  0: "to pod",
  2: "to host",
  3: "to stack",
  4: "to overlay",
  5: "from pod",
  7: "from host",
  9: "from overlay",
  10: "from network",
  11: "to network",
};

export function registerMonitor(program: Command): void {
  program
    .command("monitor")
    .description("drops as they happen, with the rule that caused them")
    .option("--verdicts", "what policy allows too, once for each connection")
    .option("--trace", "every forwarded packet, and services that sockets ask for (slow)")
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
      for await (const event of getLines<EventView | TranslationView>(
        socket,
        `/v1/monitor?trace=${trace === true}&verdicts=${verdicts === true}`,
        stop.signal,
      )) {
        if (relatedTo !== undefined && !isAbout(event, relatedTo)) continue;
        console.log(output === "json" ? JSON.stringify(event) : sentence(event));
      }
    });
}

function isAbout(event: EventView | TranslationView, endpoint: string): boolean {
  return event.kind !== "translation" && String(event.endpointId) === endpoint;
}

/** An event in a line for people. */
export function sentence(event: EventView | TranslationView): string {
  return event.kind === "translation" ? translationSentence(event) : packetSentence(event);
}

function translationSentence({ time, address, port, backend, refused }: TranslationView): string {
  const frontend = endpointText(address, port);
  const outcome = backend ? `-> ${endpointText(backend.address, backend.port)}` : "has no backend";
  const what = refused ? styleText("red", "connect refused") : "translated";
  return `${time.slice(11)} ${what} ${frontend} ${outcome}`;
}

function endpointText(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function packetSentence(event: EventView): string {
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
