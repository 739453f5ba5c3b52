// Entries and bytes that policy takes in the kernel, against what a table by pod, peer and port would hold.
import { join } from "node:path";
import { type KernelSlot, openMaps } from "@tsilium/datapath";
import { BpfMap } from "@tsilium/ebpf";
import { PolicyNode } from "../../../apps/agent/src/policy/testing/policy-node.ts";
import type { Section } from "../../report.ts";
import { Enforcer } from "../enforcer.ts";
import { type Load, loads } from "./loads.ts";
import { mapBytes } from "./memory.ts";

/** Entries that the shipped maps have room for (bpf/maps/policy.h). */
const sizes = { classes: 1_048_576, rules: 524_288, identities: 131_072, addresses: 65_536 };
const counted = ["tsi_policy_class", "tsi_policy_rule", "tsi_identities"];

export function benchMaps(): Section[] {
  return [
    {
      title: "entries of policy, and the memory that they take",
      note: "One node. Known identities are listed once per node, whatever policies say. Beside it what a table by pod, identity and port would hold, and what share of that the classes and rules are.",
      columns: [
        "",
        "classes",
        "rules",
        "known",
        "kB",
        "bytes each",
        "pod x identity x port",
        "share",
      ],
      rows: loads().map(measure),
    },
  ];
}

function measure({ sentence, inputs, subjects }: Load): (string | number)[] {
  using node = new PolicyNode(sizes);
  const enforcer = new Enforcer(node.open());
  const emptyBytes = bytesOf(node);
  const empty = node.counts();
  enforcer.tell(inputs);
  for (const [index, subject] of subjects.entries()) enforcer.hold(index + 1, subject);
  const { classes, rules, identities } = node.counts();
  const known = identities - empty.identities;
  const bytes = bytesOf(node) - emptyBytes;
  const flat = flatEntries(node);
  return [
    sentence,
    classes,
    rules,
    known,
    Math.round(bytes / 1024),
    Math.round(bytes / (classes + rules + known)),
    flat,
    `${(((classes + rules) / flat) * 100).toFixed(1)}%`,
  ];
}

function bytesOf(node: PolicyNode): number {
  return counted.reduce((sum, name) => {
    using map = BpfMap.fromPinned(join(node.bpffs, "maps", `${name}_00000000`));
    return sum + mapBytes(map);
  }, 0);
}

/** How many entries there would be if each pod had one for each peer and each of its rules. */
function flatEntries(node: PolicyNode): number {
  const { policy } = openMaps(node);
  const held = policy.subjects().flatMap(({ ingress, egress }) => [ingress, egress]);
  const slots = new Map(
    policy.slots(new Set(held)).map((slot) => [slot.slot, entriesByPeer(slot)]),
  );
  return held.reduce((sum, slot) => sum + (slots.get(slot) ?? 0), 0);
}

function entriesByPeer({ classes, rules }: KernelSlot): number {
  const ofClass = new Map<number, number>();
  for (const { class: number } of rules) ofClass.set(number, (ofClass.get(number) ?? 0) + 1);
  return classes.reduce((sum, { class: number }) => sum + (ofClass.get(number) ?? 0), 0);
}
