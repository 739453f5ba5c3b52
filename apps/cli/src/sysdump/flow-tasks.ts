// The last flows of a node, as the hubble command tells them.
import { join } from "node:path";
import { projectRoot } from "@tsilium/syscall";
import type { Task } from "./collect.ts";
import { outputOf } from "./run.ts";

export type FlowOptions = {
  readonly folder: string;
  /** Unix socket of the node's Hubble server. */
  readonly socket: string;
  readonly count: number;
  readonly maxBytes: number;
};

export function flowTasks({ folder, socket, count, maxBytes }: FlowOptions): Task[] {
  const hubble = join(projectRoot(), "hubble");
  const server = ["--server", `unix://${socket}`];
  return [
    {
      name: `${folder}/hubble/flows.jsonl`,
      read: async (signal) => ({
        kind: "lines",
        text: await outputOf(
          [hubble, "observe", ...server, "--last", String(count), "-o", "jsonpb"],
          { signal, maxBytes },
        ),
      }),
    },
    {
      name: `${folder}/hubble/status.txt`,
      read: async (signal) => ({
        kind: "text",
        text: await outputOf([hubble, "status", ...server], { signal, maxBytes }),
      }),
    },
  ];
}
