// lab.json: what a running lab tells the commands about itself, written whole by its daemon alone.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { type LabLayout, labLayout } from "./layout.ts";
import { LabError } from "./error.ts";
import { isAlive, type ProcessIdentity } from "./processes/identity.ts";
import type { ProcessReport } from "./processes/supervised.ts";

export type LabState = {
  readonly name: string;
  readonly phase: "starting" | "ready";
  readonly nodes: readonly string[];
  readonly readyNodes: readonly string[];
  readonly settings: Readonly<Record<string, string>>;
  readonly startedAt: string;
  /** URL of the API server on this machine's loopback. */
  readonly server?: string;
  readonly daemon: ProcessIdentity;
  readonly loadBalancerRoutes: readonly LoadBalancerRouteReport[];
  readonly processes: readonly ProcessReport[];
  /** This lab made /run/netns: it may take it away. */
  readonly ownsNamespaceFolder: boolean;
};

/** How the world reaches addresses of load balancers, external IPs and pools. */
export type LoadBalancerRouteReport = {
  /** A prefix. */
  readonly destination: string;
  readonly node: string;
  /** "namespace/service" and "pool NAME": whose it is. */
  readonly of: readonly string[];
};

export function writeState(lab: LabLayout, state: LabState): void {
  const draft = `${lab.stateFile}.new`;
  writeFileSync(draft, `${JSON.stringify(state, null, 1)}\n`, { mode: 0o600 });
  renameSync(draft, lab.stateFile);
}

/** undefined when there is no such lab, or a part of one that crashed before it wrote its state. */
export function readState(lab: LabLayout): LabState | undefined {
  try {
    return JSON.parse(readFileSync(lab.stateFile, "utf8")) as LabState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** A lab whose daemon lives. @throws LabError "not_running", saying what to do. */
export function runningLab(name: string): { readonly lab: LabLayout; readonly state: LabState } {
  const lab = labLayout(name);
  const state = readState(lab);
  const option = name === "lab" ? "" : ` --name ${name}`;
  if (!state) {
    throw new LabError(
      "not_running",
      `there is no lab "${name}"`,
      `Start it with \`tsilium lab up${option}\`.`,
    );
  }
  if (!isAlive(state.daemon)) {
    throw new LabError(
      "not_running",
      `lab "${name}" has crashed: its daemon (PID ${state.daemon.pid}) is gone`,
      `Clean up with \`tsilium lab down${option}\`; its logs are in ${lab.logs}.`,
    );
  }
  return { lab, state };
}
