// `tsilium status`: how every part of an agent is. Exit status 1 when a part has failed.
import { styleText } from "node:util";
import type { Command } from "commander";
import { getJson } from "../agent-client.ts";
import type { HealthView, PartHealth } from "../api.ts";
import { agentContext } from "../context.ts";
import { printable, printStructured, withOutput } from "../output.ts";

export function registerStatus(program: Command): void {
  withOutput(program.command("status").description("how every part of the agent is"))
    .option("--brief", "only the overall state")
    .action(async ({ brief }: { brief?: boolean }, command: Command) => {
      const health = await getJson<HealthView>(agentContext(command).socket, "/v1/healthz");
      if (health.state === "failed") process.exitCode = 1;
      if (await printStructured(command, health)) return;
      process.stdout.write(brief ? `${health.state}\n` : report(health));
    });
}

function report({ node, state, version, parts }: HealthView): string {
  const width = Math.max(...parts.map(({ name }) => name.length)) + 2;
  const lines = parts.map(
    (part) => `  ${part.name.padEnd(width)}${mark(part)} ${printable(part.message)}\n`,
  );
  return `${node.name}: ${colour(state, state)} (Tsilium ${version}, kernel ${node.kernel}, up ${node.uptimeSeconds} s)\n${lines.join("")}`;
}

function mark({ state }: PartHealth): string {
  return colour(state, state.padEnd(9));
}

function colour(state: string, text: string): string {
  if (state === "ok") return styleText("green", text);
  if (state === "disabled") return styleText("dim", text);
  return styleText(state === "degraded" ? "yellow" : "red", text);
}
