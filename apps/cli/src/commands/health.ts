// `tsilium health status|get|ping`: which nodes of the cluster reach each other, as one node's agent sees it.
import type { Command } from "commander";
import { getJson, postJson } from "../agent-client.ts";
import type { HealthSelfView, HealthStatusView } from "../api.ts";
import { agentContext } from "../context.ts";
import { facts, printStructured, table, withOutput } from "../output.ts";
import { nodeColumns, pathColumns, pathRows, reachableLine } from "./health-text.ts";

export function registerHealthCommands(program: Command): void {
  const health = program
    .command("health")
    .description("which nodes, and which pods' networks, this node reaches");
  withOutput(health.command("status").description("what came of the last probes"))
    .option("--probe", "probe everything now, and wait for it")
    .option("--verbose", "every address with its latency, or why it did not answer")
    .addHelpText(
      "after",
      `
Examples:
  tsilium --node node-1 health status --probe --verbose
  tsilium health status -o json | jq -r '.nodes[] | select(.host."primary-address".icmp.status != "") | .name'`,
    )
    .action(async (options: { probe?: true; verbose?: true }, command: Command) => {
      const { socket } = agentContext(command);
      const status = options.probe
        ? await postJson<HealthStatusView>(socket, "/v1/health/probe")
        : await getJson<HealthStatusView>(socket, "/v1/health");
      if (await printStructured(command, status)) return;
      const rows = options.verbose
        ? table(pathRows(status), pathColumns)
        : table(status.nodes, nodeColumns(status.local.name));
      process.stdout.write(`${reachableLine(status)}\n${rows}`);
    });
  withOutput(health.command("get").description("this node by itself: its agent, its load")).action(
    async (_options, command: Command) => {
      const { socket } = agentContext(command);
      const self = await getJson<HealthSelfView>(socket, "/v1/health/self");
      if (await printStructured(command, self)) return;
      const { agent, uptime, load, clusterHealth } = self;
      process.stdout.write(
        facts([
          ["agent", agent],
          ["uptime", `${uptime} s`],
          [
            "load",
            `${load.last1min.toFixed(2)} ${load.last5min.toFixed(2)} ${load.last15min.toFixed(2)} (1, 5, 15 minutes)`,
          ],
          ["cluster health", clusterHealth],
        ]),
      );
    },
  );
  withOutput(health.command("ping").description("whether the agent answers at all")).action(
    async (_options, command: Command) => {
      const startedAt = performance.now();
      await getJson<HealthSelfView>(agentContext(command).socket, "/v1/health/self");
      const latencyMs = Number((performance.now() - startedAt).toFixed(2));
      if (await printStructured(command, { status: "ok", latencyMs })) return;
      process.stdout.write(`ok (${latencyMs} ms)\n`);
    },
  );
}
