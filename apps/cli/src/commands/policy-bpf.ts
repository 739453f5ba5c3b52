// `tsilium bpf policy list|get`: what the kernel's maps hold pods to. Reads the pins, so it works while the agent is
// away; then rules and identities are numbers.
import type { PinnedMaps } from "@tsilium/datapath";
import type { Command } from "commander";
import { agentContext } from "../context.ts";
import { CommandError } from "../failure.ts";
import { type Column, printRows, withOutput } from "../output.ts";
import { entryRows, type PolicyEntryRow } from "./policy-entries.ts";
import { type Names, namesOf } from "./policy-names.ts";

export function registerPolicyMaps(bpf: Command): void {
  const policy = bpf.command("policy").description("what pods are held to");
  withOutput(policy.command("list").description("subjects and the policies that hold them")).action(
    async (_options, command: Command) => {
      const maps = await openMaps(command);
      await printRows(command, subjectRows(maps), subjectColumns);
    },
  );
  withOutput(policy.command("get [endpoint]").description("every entry of an endpoint's policy"))
    .option("--all", "of every endpoint")
    .addHelpText(
      "after",
      `
Examples:
  tsilium bpf policy get 11897
  tsilium bpf policy get --all -o json`,
    )
    .action(async (endpoint: string | undefined, { all }: { all?: true }, command: Command) => {
      const maps = await openMaps(command);
      const entries = endpointEntries(maps, all ? undefined : wantedEndpoint(endpoint));
      const names = await namesOf(agentContext(command).socket);
      const rows = entries.map((entry) => named(entry, names));
      await printRows(command, rows, entryColumns);
    });
}

async function openMaps(command: Command): Promise<PinnedMaps> {
  const datapath = await import("@tsilium/datapath");
  return datapath.openMaps({ bpffs: agentContext(command).bpffs });
}

function wantedEndpoint(text: string | undefined): number {
  if (text !== undefined && /^\d+$/.test(text)) return Number(text);
  throw new CommandError(
    text === undefined ? "which endpoint?" : `"${text}" is no endpoint's number`,
    "`tsilium endpoint list` has their numbers; --all shows all of them.",
  );
}

type SubjectRow = ReturnType<typeof subjectRows>[number];
function subjectRows(maps: PinnedMaps) {
  const endpoints = Map.groupBy(maps.endpoints.list(), ({ subject }) => subject);
  return maps.policy.subjects().map(({ subject, ingress, egress }) => ({
    subject,
    endpoints: (endpoints.get(subject) ?? []).map(({ id }) => id),
    ingressSlot: ingress,
    egressSlot: egress,
  }));
}
const subjectColumns: readonly Column<SubjectRow>[] = [
  ["SUBJECT", (row) => row.subject],
  ["ENDPOINTS", (row) => row.endpoints.join(" ") || "-"],
  ["INGRESS SLOT", (row) => slotText(row.ingressSlot)],
  ["EGRESS SLOT", (row) => slotText(row.egressSlot)],
];

function slotText(slot: number): string {
  const fixed: Readonly<Record<number, string>> = { 0: "0 (not known yet)", 1: "1 (no policy)" };
  return fixed[slot] ?? String(slot);
}

export type EndpointEntry = PolicyEntryRow & { readonly endpoint: number };

/** @param wanted one endpoint; undefined: all of them */
function endpointEntries(maps: PinnedMaps, wanted: number | undefined): EndpointEntry[] {
  const endpoints = maps.endpoints.list().filter(({ id }) => wanted === undefined || id === wanted);
  if (wanted !== undefined && endpoints.length === 0)
    throw new CommandError(
      `the kernel has no endpoint ${wanted}`,
      "`tsilium bpf endpoint list` shows those it has.",
    );
  const subjects = new Map(maps.policy.subjects().map((row) => [row.subject, row]));
  const held = endpoints.map(({ id, subject }) => {
    const { ingress = 0, egress = 0 } = subjects.get(subject) ?? {};
    return { id, ingress, egress };
  });
  const wantedSlots = new Set(held.flatMap(({ ingress, egress }) => [ingress, egress]));
  const slots = new Map(maps.policy.slots(wantedSlots).map((slot) => [slot.slot, slot]));
  const bySet = Map.groupBy(maps.ipcache.list(), ({ cidrSet }) => cidrSet);
  const prefixes = new Map(
    [...bySet].map(([set, rows]) => [set, rows.map(({ prefix }) => `${prefix}`)]),
  );
  return held.flatMap(({ id, ingress, egress }) =>
    [
      ...entryRows(ingress, { direction: "ingress", slots, prefixes }),
      ...entryRows(egress, { direction: "egress", slots, prefixes }),
    ].map((row) => ({ endpoint: id, ...row })),
  );
}

type NamedEntry = ReturnType<typeof named>;
function named(entry: EndpointEntry, names: Names) {
  return {
    ...entry,
    peers: { ...entry.peers, labels: entry.peers.identities?.map((id) => names.identity(id)) },
    ruleName: names.rule(entry.rule),
  };
}
const entryColumns: readonly Column<NamedEntry>[] = [
  ["ENDPOINT", (row) => row.endpoint],
  ["DIRECTION", (row) => row.direction],
  ["PEER", (row) => peerText(row)],
  ["PORT", (row) => portText(row)],
  ["VERDICT", (row) => verdictText(row)],
  ["RULE", (row) => row.ruleName],
];

function peerText({ peers: { labels, prefixes } }: NamedEntry): string {
  const who = labels === undefined ? "others" : shortened(labels);
  return prefixes === undefined ? who : `${who} at ${shortened(prefixes)}`;
}

const mostShown = 3;

function shortened(items: readonly string[]): string {
  const shown = items.slice(0, mostShown).join(", ");
  return items.length > mostShown ? `${shown} and ${items.length - mostShown} more` : shown;
}

function portText({ protocol, ports }: NamedEntry): string {
  if (ports === "any") return protocol;
  return protocol.startsWith("ICMP") ? `${protocol} type ${ports}` : `${ports}/${protocol}`;
}

function verdictText({ verdict, response, proxyPort }: NamedEntry): string {
  if (proxyPort !== undefined) return `${verdict} to ${proxyPort}`;
  return verdict.includes("deny") && response !== "drop" ? `${verdict} (${response})` : verdict;
}
