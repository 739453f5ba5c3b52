// A place in an untrusted object: the value that stands there, the path that leads there, and where to say what is
// wrong with it. Reading never throws and goes no deeper than it is asked to.
import type { Problem } from "./result.ts";

/** An object with a fault in each of a million items is told this many. */
const maxProblems = 100;

export type ReportOptions = {
  /** Go's API types read null as "not set", whatever field it stands in; a custom resource's schema can tell the two apart. */
  readonly nullIsAbsent?: boolean;
};

/** Collects what parsing finds. */
export class Report {
  readonly problems: Problem[] = [];
  readonly warnings: Problem[] = [];
  readonly nullIsAbsent: boolean;
  readonly #told = new Set<string>();

  constructor(options: ReportOptions = {}) {
    this.nullIsAbsent = options.nullIsAbsent ?? false;
  }

  /** Says it once: a field may be read in more than one place. */
  add(list: "problems" | "warnings", problem: Problem): void {
    const key = `${list} ${problem.path} ${problem.message}`;
    if (this[list].length >= maxProblems || this.#told.has(key)) return;
    this.#told.add(key);
    this[list].push(problem);
  }
}

export class Field {
  readonly path: string;
  readonly value: unknown;
  readonly #report: Report;

  private constructor(report: Report, path: string, value: unknown) {
    this.#report = report;
    this.path = path;
    this.value = value;
  }

  static root(value: unknown, report: Report): Field {
    return new Field(report, "", value);
  }

  /** Kubernetes reads null as "not set". */
  get isGiven(): boolean {
    return this.value !== undefined && this.value !== null;
  }

  problem(message: string): void {
    this.#report.add("problems", this.#told(message));
  }

  warn(message: string): void {
    this.#report.add("warnings", this.#told(message));
  }

  /** The field `key` of an object; one that is not given, when there is none or this is no object. */
  at(key: string): Field {
    const path = this.path === "" ? key : `${this.path}.${key}`;
    return this.#child(path, key);
  }

  /** Whether this is an object. @remarks Anything else, and nothing, is a problem. */
  isObject(): boolean {
    if (isRecord(this.value)) return true;
    this.problem(this.isGiven ? "must be an object" : "required");
    return false;
  }

  /** Fields of an object whose keys are data; undefined when it is not given. */
  entries(): readonly (readonly [string, Field])[] | undefined {
    if (!this.isGiven || !this.isObject()) return undefined;
    return Object.keys(this.value as object).map((key) => [
      key,
      this.#child(`${this.path}[${key}]`, key),
    ]);
  }

  /** Items of a list, undefined when it is not given: the two must never be taken for each other. */
  items(): readonly Field[] | undefined {
    if (!this.isGiven) return undefined;
    if (!Array.isArray(this.value)) {
      this.problem("must be a list");
      return [];
    }
    return Array.from(
      this.value,
      (item: unknown, index) => new Field(this.#report, `${this.path}[${index}]`, item),
    );
  }

  text(): string | undefined {
    if (!this.isGiven) return undefined;
    if (typeof this.value === "string") return this.value;
    this.problem(
      typeof this.value === "number" || typeof this.value === "boolean"
        ? `must be a string: write "${this.value}"`
        : "must be a string",
    );
    return undefined;
  }

  /** A string that must be there and not be empty. */
  name(): string | undefined {
    const text = this.text();
    if (text === "" || !this.isGiven) this.problem("required");
    return text || undefined;
  }

  /** A whole number from `first` to `last`. */
  integer(first: number, last: number): number | undefined {
    if (!this.isGiven) return undefined;
    const { value } = this;
    if (typeof value === "number" && Number.isInteger(value) && value >= first && value <= last)
      return value;
    this.problem(`must be a whole number from ${first} to ${last}`);
    return undefined;
  }

  boolean(): boolean | undefined {
    if (!this.isGiven) return undefined;
    if (typeof this.value === "boolean") return this.value;
    this.problem("must be true or false");
    return undefined;
  }

  /** One of a few strings. */
  oneOf<T extends string>(choices: readonly T[]): T | undefined {
    const text = this.text();
    if (text === undefined) return undefined;
    const found = choices.find((choice) => choice === text);
    if (found === undefined) this.problem(`must be one of ${choices.join(", ")}`);
    return found;
  }

  /** Which of an object's fields are not among `known`. */
  unknown(known: readonly string[]): readonly Field[] {
    if (!isRecord(this.value)) return [];
    return Object.keys(this.value)
      .filter((key) => !known.includes(key))
      .map((key) => this.at(key))
      .filter(({ isGiven, value }) => isGiven || (value === null && !this.#report.nullIsAbsent));
  }

  /**
   * Says so of every field that is not among `known`. A schema drops them before we see them; where none did, a rule
   * that is read without a field that narrows it would allow more than was asked for.
   */
  only(known: readonly string[]): void {
    for (const field of this.unknown(known))
      field.problem("unknown field: without understanding it the policy cannot be enforced");
  }

  /**
   * A field without which the object means more than with it. A null, as a template that had nothing to fill in leaves it
   * behind, was hardly meant to lift the restriction.
   */
  narrowing(key: string): Field {
    const field = this.at(key);
    if (field.value !== null) return field;
    if (this.#report.nullIsAbsent) field.warn("null counts as left out: it restricts nothing");
    else field.problem("is null: leave it out if no restriction is meant");
    return field;
  }

  #child(path: string, key: string): Field {
    const value =
      isRecord(this.value) && Object.hasOwn(this.value, key) ? this.value[key] : undefined;
    return new Field(this.#report, path, value);
  }

  #told(message: string): Problem {
    const { path, value } = this;
    switch (typeof value) {
      case "string":
      case "number":
      case "boolean":
        return { path, message, value };
      default:
        return { path, message };
    }
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
