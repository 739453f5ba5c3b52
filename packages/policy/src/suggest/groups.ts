// Pods told apart by their own labels, as selectors can: a selector of fewer labels would also select pods that have more.
import type { PodsSelector } from "./manifest.ts";
import { type Party, partyKey } from "./party.ts";
import { compareTexts } from "./text.ts";

export type Pods = Party & { readonly kind: "pods" };

export class Groups {
  readonly #byPlace = new Map<string, Map<string, Pods>>();

  constructor(parties: Iterable<Party>) {
    for (const party of parties) {
      if (party.kind !== "pods") continue;
      const place = placeOf(party);
      const known = this.#byPlace.get(place) ?? new Map<string, Pods>();
      this.#byPlace.set(place, known.set(partyKey(party), party));
    }
  }

  /** These pods and none of the others that were seen. */
  selectorOf(pods: Pods): PodsSelector {
    return { namespace: pods.namespace, labels: pods.labels, absent: this.#absentKeys(pods) };
  }

  /** Keys that all of those have which have these labels and more; as few as one after the other finds. */
  #absentKeys(pods: Pods): readonly string[] {
    const place = this.#byPlace.get(placeOf(pods)) ?? new Map<string, Pods>();
    let left = [...place.values()]
      .filter((other) => isWithin(pods, other))
      .map(({ labels }) => Object.keys(labels).filter((key) => !(key in pods.labels)));
    const absent: string[] = [];
    while (left.length > 0) {
      const key = mostFrequent(left.flat());
      absent.push(key);
      left = left.filter((keys) => !keys.includes(key));
    }
    return absent;
  }
}

function placeOf({ cluster, namespace }: Pods): string {
  return `${cluster}/${namespace}`;
}

/** Whether `other` has all labels of `pods` and at least one more. */
function isWithin({ labels }: Pods, other: Pods): boolean {
  const pairs = Object.entries(labels);
  return (
    Object.keys(other.labels).length > pairs.length &&
    pairs.every(([key, value]) => other.labels[key] === value)
  );
}

/** The first in the alphabet of those that occur most. */
function mostFrequent(keys: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  const [[key] = [""]] = [...counts].toSorted(([a, x], [b, y]) => y - x || compareTexts(a, b));
  return key;
}
