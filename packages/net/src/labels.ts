// Labels with their source ("k8s:app=web"), the material identities are made of. Text forms are Cilium's
// (pkg/labels): the source is what precedes the first ":" when that comes before any "=".
import { AddressError } from "./errors.ts";

/** One label. `source` says who set it: "k8s", "reserved", "cidr", ... or "any" where none was named. */
export type Label = { readonly source: string; readonly key: string; readonly value: string };

/** Reads "k8s:app=web", "app=web" (source "any"), "reserved:host". @throws AddressError label_invalid without a key */
export function parseLabel(text: string): Label {
  const equals = text.indexOf("=");
  const name = equals < 0 ? text : text.slice(0, equals);
  const value = equals < 0 ? "" : text.slice(equals + 1);
  const colon = name.indexOf(":");
  const source = colon > 0 ? name.slice(0, colon) : "any";
  const key = colon >= 0 ? name.slice(colon + 1) : name;
  if (key === "") throw new AddressError("label_invalid", `not a label: ${JSON.stringify(text)}`);
  return { source, key, value };
}

/** "k8s:app=web"; without "=" when the value is empty ("reserved:host"). */
export function formatLabel({ source, key, value }: Label): string {
  return value === "" ? `${source}:${key}` : `${source}:${key}=${value}`;
}

/** An immutable set of labels, at most one per source and key, sorted by key and then source. */
export class Labels implements Iterable<Label> {
  static readonly empty: Labels = new Labels([]);

  readonly #sorted: readonly Label[];
  /**
   * The canonical text that two sets share exactly when they are equal, in the form Cilium stores:
   * "k8s:a=b;k8s:c=;" (an empty value keeps its "=").
   */
  readonly key: string;

  private constructor(sorted: readonly Label[]) {
    this.#sorted = sorted;
    this.key = sorted.map(({ source, key, value }) => `${source}:${key}=${value};`).join("");
  }

  /** From texts as `parseLabel` reads them. @throws AddressError label_invalid */
  static parse(texts: readonly string[]): Labels {
    return Labels.of(texts.map(parseLabel));
  }

  /** From a Kubernetes-like record, all of one source. */
  static fromRecord(source: string, record: Readonly<Record<string, string>>): Labels {
    return Labels.of(Object.entries(record).map(([key, value]) => ({ source, key, value })));
  }

  /** From labels in any order; of two with the same source and key the later wins. */
  static of(labels: Iterable<Label>): Labels {
    const unique = new Map<string, Label>();
    for (const label of labels) unique.set(`${label.source}:${label.key}`, label);
    return new Labels([...unique.values()].sort(order));
  }

  get size(): number {
    return this.#sorted.length;
  }

  /** The value of `key` from `source`, or from whichever source sorts first. */
  get(key: string, source?: string): string | undefined {
    return this.#find(key, source)?.value;
  }

  has(key: string, source?: string): boolean {
    return this.#find(key, source) !== undefined;
  }

  /** This set with `others` laid over it. */
  with(others: Labels): Labels {
    return Labels.of([...this.#sorted, ...others]);
  }

  filter(keep: (label: Label) => boolean): Labels {
    return new Labels(this.#sorted.filter(keep));
  }

  equals(other: Labels): boolean {
    return this.key === other.key;
  }

  toArray(): string[] {
    return this.#sorted.map(formatLabel);
  }

  toString(): string {
    return this.toArray().join(",");
  }

  toJSON(): string[] {
    return this.toArray();
  }

  /** What console.log and failing assertions show. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }

  [Symbol.iterator](): Iterator<Label> {
    return this.#sorted[Symbol.iterator]();
  }

  #find(key: string, source: string | undefined): Label | undefined {
    return this.#sorted.find(
      (label) => label.key === key && (source === undefined || label.source === source),
    );
  }
}

function order(a: Label, b: Label): number {
  if (a.key !== b.key) return a.key < b.key ? -1 : 1;
  if (a.source !== b.source) return a.source < b.source ? -1 : 1;
  return 0;
}
