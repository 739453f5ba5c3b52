// What a node has in its kernel: maps, as the datapath means them and as the kernel counts them, programs and links. Read by
// the pins, so that it is there while the agent is away.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { PinnedMaps } from "@tsilium/datapath";
import type { Content, Task } from "./collect.ts";

export type BpfOptions = {
  readonly folder: string;
  /** Root of the node's pins. */
  readonly bpffs: string;
  /** Connections and translations of each node, the first that are found. */
  readonly maxConnections: number;
};

export function bpfTasks({ folder, bpffs, maxConnections }: BpfOptions): Task[] {
  const table = (name: string, rows: (maps: PinnedMaps) => readonly unknown[]): Task => ({
    name: `${folder}/bpf/${name}.json`,
    read: async () => json(rows(await open(bpffs))),
  });
  const bounded = (name: string, rows: (maps: PinnedMaps) => readonly unknown[]): Task => ({
    name: `${folder}/bpf/${name}.json`,
    read: async () => {
      const all = rows(await open(bpffs));
      return json({ entries: all.length, first: all.slice(0, maxConnections) });
    },
  });
  return [
    bounded("conntrack", (maps) => maps.conntrack.list()),
    bounded("nat", (maps) => maps.nat.list()),
    table("endpoints", (maps) => maps.endpoints.list()),
    table("ipcache", (maps) => maps.ipcache.list()),
    table("nodes", (maps) => maps.nodes.list()),
    table("masquerade", (maps) => maps.masquerade.list()),
    table("metrics", (maps) => maps.metrics.list()),
    table("policy-subjects", (maps) => maps.policy.subjects()),
    table("policy-slots", (maps) => {
      const subjects = maps.policy.subjects();
      return maps.policy.slots(
        new Set(subjects.flatMap(({ ingress, egress }) => [ingress, egress])),
      );
    }),
    table("service-frontends", (maps) => maps.services.frontends()),
    table("service-sets", (maps) => maps.services.sets()),
    table("service-backends", (maps) => maps.services.backends()),
    table("service-source-ranges", (maps) => maps.services.sourceRanges()),
    bounded("service-affinities", (maps) => maps.services.affinities()),
    { name: `${folder}/bpf/map-sizes.json`, read: () => mapSizes(join(bpffs, "maps")) },
    { name: `${folder}/bpf/links.json`, read: () => links(join(bpffs, "links")) },
  ];
}

async function open(bpffs: string): Promise<PinnedMaps> {
  const { openMaps } = await import("@tsilium/datapath");
  return openMaps({ bpffs });
}

async function mapSizes(folder: string): Promise<Content> {
  const { BpfMap } = await import("@tsilium/ebpf");
  return json(
    readdirSync(folder).map((pin) => {
      using map = BpfMap.fromPinned(join(folder, pin));
      return { pin, ...map.info() };
    }),
  );
}

async function links(folder: string): Promise<Content> {
  const { Link, Program } = await import("@tsilium/ebpf");
  return json(
    readdirSync(folder).map((pin) => {
      using link = Link.fromPinned(join(folder, pin));
      const info = link.info();
      try {
        using program = Program.fromId(info.programId);
        return { pin, ...info, program: program.info() };
      } catch (error) {
        return { pin, ...info, program: (error as Error).message };
      }
    }),
  );
}

function json(value: unknown): Content {
  return { kind: "json", value };
}
