// Policy routing rules: list, add, ensure, delete.
import type { Family } from "@tsilium/net";
import type { Changes, Connection, Request } from "./connection.ts";
import { NLM_F_CREATE, NLM_F_EXCL } from "./message.ts";
import { decodeRule, encodeRule, ruleHeader, type Rule } from "./rule-codec.ts";
import { RTM_DELRULE, RTM_GETRULE, RTM_NEWRULE } from "./types.ts";

export type RuleSpec = Omit<Rule, "invert"> & { readonly invert?: boolean };

/** The changing half, which batches have as well. */
export class RuleChanges {
  readonly #changes: Changes;

  constructor(changes: Changes) {
    this.#changes = changes;
  }

  /** @throws NetlinkError EEXIST for a rule that is the same in everything */
  add(spec: RuleSpec): void {
    this.#changes.change(addition(spec));
  }

  /** Adds unless the very same rule is there; false when it was. */
  ensure(spec: RuleSpec): boolean {
    return this.#changes.change({ ...addition(spec), already: ["EEXIST"] });
  }

  /** Deletes the first rule that agrees with everything given; false when there is none. */
  delete(spec: RuleSpec): boolean {
    return this.#changes.change({
      type: RTM_DELRULE,
      payload: encodeRule({ invert: false, ...spec }),
      about: `delete rule ${describe(spec)}`,
      already: ["ENOENT"],
    });
  }
}

/** The rules of one network namespace. */
export class Rules extends RuleChanges {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    super(connection);
    this.#connection = connection;
  }

  /** The family's rules that look up a table, by priority. */
  list(family: Family): Rule[] {
    return this.#connection
      .dump({ type: RTM_GETRULE, payload: ruleHeader(family), about: "list rules" })
      .map(({ payload }) => decodeRule(payload))
      .filter((rule) => rule !== undefined);
  }
}

function addition(spec: RuleSpec): Request {
  return {
    type: RTM_NEWRULE,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    payload: encodeRule({ invert: false, ...spec }),
    about: `add rule ${describe(spec)}`,
  };
}

const describe = ({ family, priority, table }: RuleSpec) =>
  `${priority} (IPv${family}, table ${table})`;
