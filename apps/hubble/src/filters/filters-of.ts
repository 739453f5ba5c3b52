// From filter flags, in the order of the command line, to the lists of a request. Pure.
//
// All flags of a list together make one filter: of one flag's values any, of different flags all must match. A flag
// that speaks of either end (--pod, --namespace, ...) makes it two, one for the source and one for the destination.
import { CommandError } from "../../../cli/src/failure.ts";
import { conflicts, type FilterFlag } from "./flags.ts";
import {
  type FilterField,
  filterFields,
  type FilterLists,
  type FilterValue,
  type RawFilter,
} from "./raw-filter.ts";

/** One filter flag on the command line. */
export type FilterUse = { readonly flag: FilterFlag; readonly value: string };

/** @throws CommandError for flags that go together with no meaning; InvalidArgumentError for a value that a flag cannot have. */
export function filtersOf(uses: readonly FilterUse[]): FilterLists {
  const allowed: FilterUse[] = [];
  const denied: FilterUse[] = [];
  let list = allowed;
  for (const use of uses) {
    if (use.flag.adds.kind !== "not") {
      list.push(use);
      list = allowed;
    } else if (list === denied) {
      throw new CommandError(
        "one --not follows another",
        "Each stands before the filter that it turns around.",
      );
    } else list = denied;
  }
  if (list === denied)
    throw new CommandError(
      "--not has no filter behind it",
      "It turns the next filter around: --not --verdict DROPPED",
    );
  return { allowlist: filtersOfList(allowed), denylist: filtersOfList(denied) };
}

type Values = Partial<Record<FilterField, FilterValue[]>>;

function filtersOfList(uses: readonly FilterUse[]): RawFilter[] {
  if (uses.length === 0) return [];
  refuseConflicts(uses);
  const left: Values = {};
  const right: Values = {};
  const namespaces = {
    either: [] as string[],
    source: [] as string[],
    destination: [] as string[],
  };
  const expressions: string[] = [];
  for (const { flag, value } of uses) {
    switch (flag.adds.kind) {
      case "not":
        break;
      case "cel":
        expressions.push(value);
        break;
      case "namespace":
        namespaces[flag.adds.of].push(value);
        break;
      case "field": {
        const { fields, parse } = flag.adds;
        (left[fields[0]] ??= []).push(parse(value));
        (right[fields[1]] ??= []).push(parse(value));
      }
    }
  }
  for (const filter of [left, right]) {
    confine(filter, "destination", namespaces.destination);
    confine(filter, "source", namespaces.source);
  }
  confine(left, "source", namespaces.either);
  confine(right, "destination", namespaces.either);
  for (const filter of [left, right]) refuseTwoNamespaces(filter);
  const [first, second] = [finished(left, expressions), finished(right, expressions)];
  return JSON.stringify(first) === JSON.stringify(second) ? [first] : [first, second];
}

/** Puts the names of pods and services at one end into namespaces ("": any); without such names, all pods of these. */
function confine(
  filter: Values,
  end: "source" | "destination",
  namespaces: readonly string[],
): void {
  if (namespaces.length === 0) return;
  const pods = `${end}_pod` as const;
  const services = `${end}_service` as const;
  if (!filter[pods] && !filter[services]) filter[pods] = [""];
  for (const field of [pods, services]) {
    const names = filter[field] as string[] | undefined;
    if (names) filter[field] = names.flatMap((name) => namesIn(namespaces, name, end));
  }
}

function namesIn(namespaces: readonly string[], name: string, end: string): string[] {
  const own = namespaceOf(name);
  if (own === undefined) return namespaces.map((namespace) => `${namespace}/${name}`);
  if (namespaces.includes(own) || namespaces.includes("")) return [name];
  throw new CommandError(
    `the ${end} cannot be "${name}" and in namespace "${namespaces.join('" or "')}"`,
    "Leave out the namespace in one of the two.",
  );
}

/** A pod and a service at one end that are in different namespaces never are the same. */
function refuseTwoNamespaces(filter: Values): void {
  for (const end of ["source", "destination"] as const) {
    const pods = (filter[`${end}_pod`] ?? []) as string[];
    const services = (filter[`${end}_service`] ?? []) as string[];
    const pair = pods
      .flatMap((pod) => services.map((service) => [pod, service] as const))
      .find(([pod, service]) => apart(namespaceOf(pod), namespaceOf(service)));
    if (pair) {
      throw new CommandError(
        `the ${end} cannot be pod "${pair[0]}" and service "${pair[1]}": their namespaces differ`,
      );
    }
  }
}

function apart(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && one !== "" && other !== "" && one !== (other ?? "default");
}

function namespaceOf(name: string): string | undefined {
  const at = name.indexOf("/");
  return at < 0 ? undefined : name.slice(0, at);
}

function refuseConflicts(uses: readonly FilterUse[]): void {
  const used = new Set(uses.map(({ flag }) => flag.name));
  for (const group of conflicts) {
    const [one, other] = group.filter((name) => used.has(name));
    if (one !== undefined && other !== undefined)
      throw new CommandError(
        `filters --${one} and --${other} cannot be combined`,
        "Ask twice, or use --allowlist, of which any filter may match.",
      );
  }
}

/** In the order in which fields are printed. */
function finished(filter: Values, expressions: readonly string[]): RawFilter {
  return {
    ...Object.fromEntries(
      filterFields.flatMap((field) => (filter[field] ? [[field, filter[field]]] : [])),
    ),
    ...(expressions.length > 0 ? { experimental: { cel_expression: expressions } } : {}),
  };
}
