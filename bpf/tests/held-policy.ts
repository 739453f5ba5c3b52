// Policy written by hand into a test node's maps: a slot per end, and who is held to it.
import { PolicyMaps } from "../../packages/datapath/src/policy/policy-maps.ts";
import type { CompiledSlot, RuleEntry } from "../../packages/datapath/src/model.ts";
import type { TestNode } from "./node.ts";
import { identities } from "./world.ts";

/** Numbers of slots that tests use. */
export const slots = { aEgress: 2, bIngress: 3, aIngress: 4 };

const defaultRule = 900;

/** Allows, whoever and whatever. */
export function rule(fields: Partial<RuleEntry>): RuleEntry {
  return {
    class: 0,
    cidrClass: 0,
    protocol: 0,
    port: 0,
    portLength: 0,
    verdict: "allow",
    response: "drop",
    rule: 1,
    proxyPort: 0,
    ...fields,
  };
}

export function heldPolicy(node: TestNode) {
  const maps = PolicyMaps.of(new Map(Object.entries(node.maps)));
  const written: CompiledSlot[] = [];

  /** Writes a slot that denies what nothing else of it says. */
  function slot(number: number, content: Partial<CompiledSlot> = {}): CompiledSlot {
    const made: CompiledSlot = {
      slot: number,
      direction: number === slots.aEgress ? "egress" : "ingress",
      otherwise: { verdict: "deny", rule: defaultRule },
      response: "drop",
      portLengths: [...new Set((content.rules ?? []).map(({ portLength }) => portLength))],
      usesCidr: false,
      defaultIgnoresCidr: false,
      knownPeersOnly: false,
      classes: [],
      cidrClasses: [],
      rules: [],
      ...content,
    };
    maps.writeSlot(made);
    written.push(made);
    return made;
  }

  /** Slot 1, which allows everything, where nothing is said. */
  function hold(subject: number, to: { ingress?: number; egress?: number }): void {
    maps.setSubjects([{ subject, ingress: to.ingress ?? 1, egress: to.egress ?? 1 }]);
    maps.bumpEpoch();
  }

  /** As if nothing had been written, and no flow seen. */
  function release(): void {
    node.reset();
    node.allowAll();
    for (const made of written.splice(0)) maps.removeSlot(made);
    maps.forget([identities.a, identities.b, identities.remotePod]);
  }

  return { maps, slot, hold, release };
}
