// A place in an object that may hold anything: the value that stands there, the path that leads there, and where to say
// what is wrong with it. Reading never throws.
import type { ServiceWarning } from "../model.ts";

/** An object with a fault in each of a million items is told this many. */
const maxWarnings = 32;

/** How a field's path goes on from its parent's: ".name", "[3]". Put together only when something is said about it. */
type Step = { readonly parent: Field; readonly text: string };

export class Field {
  readonly value: unknown;
  readonly #warnings: ServiceWarning[];
  readonly #from: Step | string;

  constructor(value: unknown, warnings: ServiceWarning[], from: Step | string = "") {
    this.value = value;
    this.#warnings = warnings;
    this.#from = from;
  }

  get path(): string {
    if (typeof this.#from === "string") return this.#from;
    const { parent, text } = this.#from;
    const path = parent.path;
    return path === "" ? text.replace(/^\./, "") : path + text;
  }

  /** Kubernetes reads null as "not set". */
  get isGiven(): boolean {
    return this.value !== undefined && this.value !== null;
  }

  warn(message: string): void {
    addWarning(this.#warnings, { path: this.path, message });
  }

  /** The field `key` of an object; one that is not given, when there is none or this is no object. */
  at(key: string): Field {
    return this.#child(recordOf(this.value)?.[key], `.${key}`);
  }

  /** The same place with another value. */
  replaced(value: unknown): Field {
    return new Field(value, this.#warnings, this.#from);
  }

  /** An annotation or label. */
  entry(key: string): Field {
    return this.#child(recordOf(this.value)?.[key], `[${key}]`);
  }

  /** Items of a list; none when it is not given or no list. */
  items(): readonly Field[] {
    if (!this.isGiven) return [];
    if (Array.isArray(this.value))
      return this.value.map((item: unknown, index) => this.#child(item, `[${index}]`));
    this.warn("must be a list");
    return [];
  }

  text(): string | undefined {
    if (!this.isGiven) return undefined;
    if (typeof this.value === "string") return this.value;
    this.warn("must be a string");
    return undefined;
  }

  /** A whole number from `first` to `last`. */
  integer(first: number, last: number): number | undefined {
    if (!this.isGiven) return undefined;
    if (isWhole(this.value, first, last)) return this.value;
    this.warn(`must be a whole number from ${first} to ${last}`);
    return undefined;
  }

  boolean(): boolean | undefined {
    if (!this.isGiven) return undefined;
    if (typeof this.value === "boolean") return this.value;
    this.warn("must be true or false");
    return undefined;
  }

  #child(value: unknown, text: string): Field {
    return new Field(value, this.#warnings, { parent: this, text });
  }

  /** One of a few strings; what is none of them is warned of and taken for `otherwise`. */
  oneOf<T extends string>(choices: readonly T[], otherwise: T): T {
    const text = this.text();
    const found = choices.find((choice) => choice === text);
    if (text !== undefined && found === undefined)
      this.warn(`must be one of ${choices.join(", ")}: taken for ${otherwise}`);
    return found ?? otherwise;
  }
}

export function addWarning(warnings: ServiceWarning[], warning: ServiceWarning): void {
  if (warnings.length < maxWarnings) warnings.push(warning);
}

/** The value if it is an object with keys. */
export function recordOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function isWhole(value: unknown, first: number, last: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= first && value <= last;
}

/** Of untrusted text in messages: no control characters, at most 64 characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 61)}...` : text);
}
