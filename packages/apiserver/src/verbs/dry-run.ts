// One door for all writes: for real, or as a rehearsal that leaves no trace.
import { serialize, type ApiObject } from "../objects/object.ts";
import type { Place, Stored, Transaction } from "../store/store.ts";
import type { WriteContext } from "./create.ts";

export const DryRun = {
  /** Store.transact, or with `dryRun` the same work on a transaction that forgets what is written. */
  async transact<T>(
    context: Pick<WriteContext, "store" | "dryRun" | "guard">,
    work: (transaction: Transaction) => T,
  ): Promise<T> {
    const { guard } = context;
    if (!context.dryRun) {
      return context.store.transact((transaction) => {
        guard?.(transaction);
        return work(transaction);
      });
    }
    return context.store.transact((transaction) =>
      work({
        get: (place) => transaction.get(place),
        claims: (resource) => transaction.claims(resource),
        put: rehearsed,
        delete: rehearsed,
      }),
    );
  },
};

function rehearsed(place: Place, object: ApiObject): Stored {
  return {
    ...place,
    revision: 0,
    json: serialize(object),
    labels: object.metadata.labels ?? {},
    fields: {},
    claims: [],
  };
}
