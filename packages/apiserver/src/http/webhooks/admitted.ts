// A write that webhooks have a say in: rehearsed, shown to them, and done only if nothing has moved meanwhile.
import type { User } from "../../auth/user.ts";
import { conflict } from "../../errors.ts";
import type { ApiObject } from "../../objects/object.ts";
import type { Store, Stored } from "../../store/store.ts";
import type { WriteContext } from "../../verbs/create.ts";
import { placeOf, type Target } from "../../verbs/target.ts";
import type { Operation } from "./model.ts";
import type { Webhooks } from "./webhooks.ts";

/** How often a write is begun anew because the object has moved. */
const attempts = 5;

class Moved extends Error {}

export type Admitted<T> = {
  readonly store: Store;
  readonly webhooks: Webhooks;
  readonly user: User;
  readonly target: Target;
  /** "write": what is there is updated, what is not is created. */
  readonly operation: "create" | "write" | "delete";
  readonly context: WriteContext;
  /** The write; it must be possible to do it twice. */
  readonly work: (context: WriteContext) => Promise<T>;
  /** What the write has made, or would have made. */
  readonly outcome: (result: T) => Stored;
};

/** Does `work` once the webhooks agree. @throws ApiError of the work or of a webhook */
export async function admitted<T>(options: Admitted<T>): Promise<T> {
  const { store, webhooks, target, context, work } = options;
  const before = () => (options.operation === "create" ? undefined : store.get(placeOf(target)));
  for (let attempt = 1; ; attempt++) {
    const old = before();
    const operation = operationOf(options.operation, old);
    if (!webhooks.concern(operation, target)) return work(context);
    const rehearsed = await work({ ...context, dryRun: true, warn: () => {} });
    await webhooks.ask(
      changeOf(options, { operation, old, rehearsed }),
      context.warn ?? (() => {}),
    );
    if (context.dryRun) return rehearsed;
    try {
      return await work({
        ...context,
        guard: (transaction) => {
          const now = options.operation === "create" ? undefined : transaction.get(placeOf(target));
          if (now?.revision !== old?.revision) throw new Moved();
        },
      });
    } catch (error) {
      if (!(error instanceof Moved)) throw error;
      if (attempt === attempts) throw conflict(target.kind, target.name);
    }
  }
}

function operationOf(asked: Admitted<unknown>["operation"], old: Stored | undefined): Operation {
  if (asked === "delete") return "DELETE";
  return asked === "create" || !old ? "CREATE" : "UPDATE";
}

function changeOf<T>(
  { store, target, user, context, outcome }: Admitted<T>,
  now: { readonly operation: Operation; readonly old: Stored | undefined; readonly rehearsed: T },
) {
  const { operation, old } = now;
  const made = outcome(now.rehearsed);
  const object = JSON.parse(made.json) as ApiObject;
  const oldObject = old && (JSON.parse(old.json) as ApiObject);
  const isNamespace = target.kind.group === "" && target.kind.plural === "namespaces";
  const home = target.kind.namespaced
    ? store.get({ resource: "/namespaces", namespace: "", name: target.namespace })?.labels
    : isNamespace
      ? operation === "DELETE"
        ? old?.labels
        : made.labels
      : undefined;
  return {
    operation,
    target,
    name: target.name === "" ? made.name : target.name,
    user,
    dryRun: context.dryRun,
    object: operation === "DELETE" ? undefined : object,
    oldObject,
    namespaceLabels: home,
  };
}
