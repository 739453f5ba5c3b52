// Tables as inputs: what each row says, and what its end says.
import type { Identity } from "@tsilium/identity/model.ts";
import { ownerOf } from "@tsilium/ipcache";
import type { IpcacheRow } from "@tsilium/ipcache/model.ts";
import type { Table } from "@tsilium/tables";
import type { PolicyInput } from "./model.ts";
import type { NamedPorts } from "./named-ports.ts";

/** Something that inputs come from. */
export type InputSource = {
  /** All that holds now. */
  inputs(): Iterable<PolicyInput>;
  /** Says what changes from now on. */
  follow(say: (input: PolicyInput) => void): Disposable;
};

/** The rows of a table, one input each. */
export function tableSource<Row>(
  table: Table<Row>,
  words: {
    readonly present: (row: Row) => PolicyInput;
    readonly gone: (row: Row) => PolicyInput;
  },
): InputSource {
  return {
    inputs: () => table.values().map(words.present),
    follow: (say) =>
      table.subscribe(({ kind, row }) =>
        say(kind === "upsert" ? words.present(row) : words.gone(row)),
      ),
  };
}

/** Every identity there is, with the named ports of those who have it. */
export function identitySource(identities: Table<Identity>, namedPorts: NamedPorts): InputSource {
  const present = ({ id, labels }: Identity): PolicyInput => ({
    kind: "identity",
    id,
    labels: labels.toArray(),
    namedPorts: namedPorts.of(id),
  });
  const rows = tableSource(identities, {
    present,
    gone: ({ id }) => ({ kind: "identity-gone", id }),
  });
  return {
    inputs: () => rows.inputs(),
    follow: (say) => {
      const subscriptions = new DisposableStack();
      subscriptions.use(rows.follow(say));
      subscriptions.use(
        namedPorts.table.subscribe(({ row }) => {
          const identity = identities.get(String(row.identity));
          if (identity) say(present(identity));
        }),
      );
      return subscriptions;
    },
  };
}

/** Who has which address. */
export function addressSource(ipcache: Table<IpcacheRow>): InputSource {
  return tableSource(ipcache, {
    present: (row) => ({
      kind: "address",
      prefix: row.prefix.toString(),
      identity: row.identity,
      hostIp: row.hostIp?.toString(),
      owner: ownerOf(row),
    }),
    gone: ({ prefix }) => ({ kind: "address-gone", prefix: prefix.toString() }),
  });
}
