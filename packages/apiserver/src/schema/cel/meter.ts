// What expressions may cost. Every turn of a loop is paid for, by the size of what it repeats; who has spent the budget
// stops.

export type Node = Record<string, unknown>;

/** Thrown where the budget ends; `Meter.exceeded` tells of it even if an expression has caught the error. */
export class CostExceeded extends Error {
  constructor() {
    super("operation cancelled: actual cost limit exceeded");
    this.name = "CostExceeded";
  }
}

export class Meter {
  exceeded = false;
  #left: number;
  readonly #weight: number;

  /**
   * @param steps nodes of expressions that may be evaluated
   * @param longestText among the values, in UTF-16 units: what is done with text costs by its length
   */
  constructor(steps: number, longestText = 0) {
    this.#left = steps;
    this.#weight = 1 + Math.floor(longestText / 100);
  }

  /** @throws CostExceeded */
  spend(steps: number): void {
    this.#left -= steps * this.#weight;
    if (this.#left >= 0) return;
    this.exceeded = true;
    throw new CostExceeded();
  }
}

/** Calls `visit` with each node of a parsed expression once, those that macros stand for included. */
export function visitNodes(ast: unknown, visit: (node: Node) => void): void {
  const seen = new Set<unknown>();
  const within = (value: unknown): void => {
    if (typeof value !== "object" || value === null || seen.has(value)) return;
    seen.add(value);
    const node = value as Node;
    const meta = node["meta"] as { alternate?: unknown; macro?: unknown } | undefined;
    // Whoever visits may change the node: what is below it is looked at before.
    const parts = [...Object.values(node), meta?.alternate, meta?.macro];
    visit(node);
    parts.forEach(within);
  };
  within(ast);
}

/** The length of the longest text in a JSON value, field names included. */
export function longestText(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 0;
  let longest = 0;
  for (const [name, part] of Object.entries(value))
    longest = Math.max(longest, Array.isArray(value) ? 0 : name.length, longestText(part));
  return longest;
}
