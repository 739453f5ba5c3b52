// Keeps rules true: those of addresses that somebody has, and no others of ours.
import type { Rule, RuleSpec, Rtnl } from "@tsilium/netlink";
import { eniProtocol } from "./wires.ts";

export class RuleKeeper {
  readonly #rtnl: Pick<Rtnl, "rules">;
  /** By text. Undefined until the kernel was read: an earlier agent's rules are taken over. */
  #present: Map<string, RuleSpec> | undefined;

  constructor(rtnl: Pick<Rtnl, "rules">) {
    this.#rtnl = rtnl;
  }

  /** What is in the kernel may be otherwise by now: the next `set` looks. */
  forget(): void {
    this.#present = undefined;
  }

  /** Has these rules and no others. New ones first: a change of interface leaves no moment without. @throws NetlinkError */
  set(wanted: readonly RuleSpec[]): void {
    const present = (this.#present ??= this.#read());
    const texts = new Map(wanted.map((rule) => [textOf(rule), rule]));
    for (const [text, rule] of texts) {
      if (present.has(text)) continue;
      this.#rtnl.rules.ensure(rule);
      present.set(text, rule);
    }
    for (const [text, rule] of present) {
      if (texts.has(text)) continue;
      this.#rtnl.rules.delete(rule);
      present.delete(text);
    }
  }

  #read(): Map<string, RuleSpec> {
    const own = this.#rtnl.rules.list(4).filter(({ protocol }) => protocol === eniProtocol);
    return new Map(own.map((rule) => [textOf(rule), rule]));
  }
}

function textOf({ priority, table, source, destination }: Rule | RuleSpec): string {
  return `${priority} ${source ?? "all"} ${destination ?? "all"} ${table}`;
}
