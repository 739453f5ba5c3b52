// `tsilium endpoint list|get`: the pods of a node.
import type { Command } from "commander";
import { getJson } from "../agent-client.ts";
import type { EndpointView } from "../api.ts";
import { agentContext } from "../context.ts";
import { type Column, printRows, printStructured, withOutput } from "../output.ts";
import { identityName } from "../reserved.ts";

const columns: readonly Column<EndpointView>[] = [
  ["ENDPOINT", (row) => row.id],
  ["STATE", (row) => row.state],
  ["POD", (row) => podOf(row)],
  ["POLICY (ingress)", ({ policy }) => enforcementText(policy?.ingress)],
  ["POLICY (egress)", ({ policy }) => enforcementText(policy?.egress)],
  ["IDENTITY", (row) => identityName(row.identity.id)],
  ["IPV4", (row) => row.addressing.ipv4 ?? "-"],
  ["IPV6", (row) => row.addressing.ipv6 ?? "-"],
  ["INTERFACE", (row) => row.interface.name],
  ["LABELS", (row) => shortened(row.identity.labels)],
];

export function registerEndpointCommands(program: Command): void {
  const endpoint = program.command("endpoint").description("the pods of a node");
  withOutput(endpoint.command("list").description("list them")).action(
    async (_options, command: Command) => {
      const rows = await getJson<EndpointView[]>(agentContext(command).socket, "/v1/endpoint");
      await printRows(command, rows, columns);
    },
  );
  withOutput(endpoint.command("get <id>").description("everything the agent knows of one")).action(
    async (id: string, _options, command: Command) => {
      const row = await getJson<EndpointView>(
        agentContext(command).socket,
        `/v1/endpoint/${encodeURIComponent(id)}`,
      );
      if (await printStructured(command, row)) return;
      process.stdout.write((await import("js-yaml")).dump(row, { noRefs: true }));
    },
  );
}

/** Until the kernel holds a policy for it everything is dropped. */
function enforcementText(state: string | undefined): string {
  const words: Readonly<Record<string, string>> = {
    enforcing: "Enabled",
    audit: "Audit",
    disabled: "Disabled",
  };
  return state === undefined ? "Not yet" : (words[state] ?? state);
}

function podOf({ pod }: EndpointView): string {
  return pod ? `${pod.namespace}/${pod.name}` : "-";
}

/** What tells pods apart: without the labels that say where they are. */
function shortened(labels: readonly string[]): string {
  return labels.filter((label) => !/^k8s:io\.(kubernetes|cilium)\./.test(label)).join(" ");
}
