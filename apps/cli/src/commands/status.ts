// `tsilium status`: how every part of an agent is. Exit status 1 when a part has failed.
import { styleText } from "node:util";
import type { Command } from "commander";
import { getJson } from "../agent-client.ts";
import type { HealthView, PartHealth, ProxiesView, ServiceWarningView } from "../api.ts";
import { agentContext } from "../context.ts";
import { printable, printStructured, withOutput } from "../output.ts";
import { proxyLines } from "../proxy-lines.ts";
import { sections } from "../status-sections.ts";

export function registerStatus(program: Command): void {
  withOutput(program.command("status").description("how every part of the agent is"))
    .option("--brief", "only the overall state")
    .option("--verbose", "also what of services is not done as they say")
    .addHelpText(
      "after",
      `
Examples:
  tsilium --node node-2 status
  tsilium status --verbose
  tsilium status -o json | jq '.parts[] | select(.state != "ok")'`,
    )
    .action(async (options: { brief?: true; verbose?: true }, command: Command) => {
      const { socket } = agentContext(command);
      const health = await getJson<HealthView>(socket, "/v1/healthz");
      if (health.state === "failed") process.exitCode = 1;
      const warnings = options.verbose
        ? await getJson<ServiceWarningView[]>(socket, "/v1/service/warnings")
        : undefined;
      const proxies = await proxiesOf(socket);
      const whole = {
        ...health,
        ...(proxies ? { proxy: proxies } : {}),
        ...(warnings ? { serviceWarnings: warnings } : {}),
      };
      if (await printStructured(command, whole)) return;
      if (options.brief) return void process.stdout.write(`${health.state}\n`);
      process.stdout.write(report(health, proxies) + warningLines(warnings ?? []));
    });
}

/** undefined: the agent has not come that far. */
async function proxiesOf(socket: string): Promise<ProxiesView | undefined> {
  return getJson<ProxiesView>(socket, "/v1/proxy").catch(() => undefined);
}

function report(
  { node, state, version, parts }: HealthView,
  proxies: ProxiesView | undefined,
): string {
  const shown = sections(parts);
  const names = shown.flatMap((section) => section.parts.map(({ name }) => name.length));
  const width = Math.max(...names) + 2;
  const lines = shown.flatMap((section) => [
    ...(section.title === "" ? [] : [`${section.title}\n`]),
    ...section.parts.map(
      (part) =>
        `  ${part.name.padEnd(width)}${mark(part)} ${printable(part.message)}\n${listenerLines(part, proxies, width)}`,
    ),
  ]);
  return `${node.name}: ${colour(state, state)} (Tsilium ${version}, kernel ${node.kernel}, up ${node.uptimeSeconds} s)\n${lines.join("")}`;
}

/** What a proxy enforces, under its own line. */
function listenerLines(part: PartHealth, proxies: ProxiesView | undefined, width: number): string {
  const proxy = proxies?.proxies.find(({ name }) => part.name === `proxy ${name}`);
  const lines = proxy ? proxyLines(proxy) : [];
  return lines.map((line) => `  ${"".padEnd(width)}${printable(line)}\n`).join("");
}

function warningLines(warnings: readonly ServiceWarningView[]): string {
  if (warnings.length === 0) return "";
  const lines = warnings.map(
    ({ service, path, message }) => `  ${printable(`${service}: ${path}: ${message}`)}\n`,
  );
  return `not done as services say\n${lines.join("")}`;
}

function mark({ state }: PartHealth): string {
  return colour(state, state.padEnd(9));
}

function colour(state: string, text: string): string {
  if (state === "ok") return styleText("green", text);
  if (state === "disabled") return styleText("dim", text);
  return styleText(state === "degraded" ? "yellow" : "red", text);
}
