// `tsilium lab status`: nodes, processes, and where things are.
import type { Command } from "commander";
import { facts, printStructured, table } from "../../../cli/src/output.ts";
import { nodeNumber } from "../context.ts";
import { isAlive } from "../processes/identity.ts";
import type { ProcessReport } from "../processes/supervised.ts";
import { runningLab } from "../state.ts";

/** @throws LabError "not_running" */
export async function status(name: string, command: Command): Promise<void> {
  const { lab, state } = runningLab(name);
  const { daemon, processes, ownsNamespaceFolder: _, readyNodes, nodes, ...rest } = state;
  const rows: ProcessReport[] = [
    { name: "daemon", state: "running", ...daemon, restarts: 0, log: `${lab.logs}/daemon.log` },
    ...processes.map(currentState),
  ];
  const nodeRows = nodes.map((node) => {
    const { ipv4, ipv6 } = lab.node(nodeNumber(node));
    return { name: node, ready: readyNodes.includes(node), ipv4, ipv6 };
  });
  const hasRelay = processes.some((process) => process.name === "relay");
  const relay = hasRelay ? `unix://${lab.relaySocket}` : undefined;
  const data = {
    ...rest,
    kubeconfig: lab.kubeconfig,
    ...(relay ? { relay } : {}),
    folder: lab.folder,
    nodes: nodeRows,
    processes: rows,
  };
  if (await printStructured(command, data)) return;
  process.stdout.write(
    facts([
      ["lab", `${name} (${state.phase})`],
      ["API server", state.server ?? "not yet"],
      ["kubeconfig", lab.kubeconfig],
      ["Hubble relay", relay ?? "none (enable-hubble=false)"],
      ["logs", lab.logs],
    ]),
  );
  process.stdout.write(
    `\n${table(nodeRows, [
      ["NODE", (row) => row.name],
      ["STATUS", (row) => (row.ready ? "Ready" : "NotReady")],
      ["IPV4", (row) => row.ipv4],
      ["IPV6", (row) => row.ipv6],
    ])}`,
  );
  if (state.loadBalancerRoutes.length > 0) {
    process.stdout.write(
      `\n${table(state.loadBalancerRoutes, [
        ["WORLD'S ROUTE TO", (row) => row.destination],
        ["VIA", (row) => row.node],
        ["OF", (row) => row.of.join(", ")],
      ])}`,
    );
  }
  process.stdout.write(
    `\n${table(rows, [
      ["PROCESS", (row) => row.name],
      ["STATE", (row) => row.state],
      ["PID", (row) => row.pid],
      ["RESTARTS", (row) => row.restarts],
    ])}`,
  );
}

/** The daemon's word, unless the process died a moment ago. */
function currentState(report: ProcessReport): ProcessReport {
  const { pid, startTime } = report;
  if (pid === undefined || startTime === undefined || isAlive({ pid, startTime })) return report;
  return { ...report, state: "waiting" };
}
