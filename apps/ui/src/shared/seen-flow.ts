// A flow as the page has it, and how it travels there: JSON, absent fields left out, endpoints and policies by number.
// A connection's two ends number alike: the server tells each endpoint once, before the first flow that has it.
import {
  emptyFlow,
  type Flow,
  type FlowEndpoint,
  type FlowPolicy,
  unknownEndpoint,
} from "@tsilium/hubble/model.ts";

type BigNumbers = "timeNs" | "socketCookie" | "cgroupId";

/** A Flow whose big numbers are decimal text. */
export type SeenFlow = Omit<Flow, BigNumbers | "sequence"> & {
  readonly [Name in BigNumbers]: string;
} & {
  /** timeNs in milliseconds, with a fraction. */
  readonly timeMs: number;
};

const policyLists = [
  "egressAllowedBy",
  "ingressAllowedBy",
  "egressDeniedBy",
  "ingressDeniedBy",
] as const;

/** A flow on the wire: fields of Flow that are not as in `emptyFlow`; `source`, `destination` and policies are numbers. */
export type WireFlow = { readonly [field: string]: unknown };

/** Additions to what the other end knows. `reset`: forget what was numbered before. */
export type Told = {
  readonly reset?: true;
  readonly endpoints?: readonly FlowEndpoint[];
  readonly policies?: readonly FlowPolicy[];
};

/** Numbers things in the order in which they first appear, by what they are, not by which object they are. */
class Numbering<T extends object> {
  /** What the other end has not been told. */
  news: T[] = [];
  #byObject = new WeakMap<T, number>();
  readonly #byText = new Map<string, number>();

  get size(): number {
    return this.#byText.size;
  }

  of(value: T): number {
    const known = this.#byObject.get(value);
    if (known !== undefined) return known;
    const text = JSON.stringify(value);
    let number = this.#byText.get(text);
    if (number === undefined) {
      number = this.#byText.size;
      this.#byText.set(text, number);
      this.news.push(value);
    }
    this.#byObject.set(value, number);
    return number;
  }

  clear(): void {
    this.#byObject = new WeakMap();
    this.#byText.clear();
    this.news = [];
  }
}

/** More than any cluster's endpoints in sight at once; beyond it numbering starts anew, so that neither end grows for ever. */
const mostNumbered = 20_000;

/** The server's side of one connection. */
export class FlowEncoder {
  readonly #endpoints = new Numbering<FlowEndpoint>();
  readonly #policies = new Numbering<FlowPolicy>();
  #isReset = false;

  encode(flow: Flow): WireFlow {
    const wire: Record<string, unknown> = {};
    for (const [field, absent] of Object.entries(emptyFlow)) {
      const value = flow[field as keyof Flow];
      if (value === absent || (Array.isArray(value) && value.length === 0)) continue;
      wire[field] = typeof value === "bigint" ? String(value) : value;
    }
    delete wire["sequence"];
    if (flow.source !== unknownEndpoint) wire["source"] = this.#endpoints.of(flow.source);
    if (flow.destination !== unknownEndpoint)
      wire["destination"] = this.#endpoints.of(flow.destination);
    for (const list of policyLists) {
      if (flow[list].length > 0) wire[list] = flow[list].map((policy) => this.#policies.of(policy));
    }
    return wire;
  }

  /** What has to be told before the flows that were encoded since the last call. */
  takeTold(): Told {
    const told: Told = {
      ...(this.#isReset ? { reset: true } : {}),
      ...(this.#endpoints.news.length > 0 ? { endpoints: this.#endpoints.news } : {}),
      ...(this.#policies.news.length > 0 ? { policies: this.#policies.news } : {}),
    };
    this.#isReset = this.#endpoints.size > mostNumbered || this.#policies.size > mostNumbered;
    this.#endpoints.news = [];
    this.#policies.news = [];
    if (this.#isReset) {
      this.#endpoints.clear();
      this.#policies.clear();
    }
    return told;
  }
}

/** The page's side of one connection. */
export class FlowDecoder {
  #endpoints: FlowEndpoint[] = [];
  #policies: FlowPolicy[] = [];

  hear({ reset, endpoints, policies }: Told): void {
    if (reset) {
      this.#endpoints = [];
      this.#policies = [];
    }
    for (const endpoint of endpoints ?? []) this.#endpoints.push(endpoint);
    for (const policy of policies ?? []) this.#policies.push(policy);
  }

  decode(wire: WireFlow): SeenFlow {
    const timeNs = String(wire["timeNs"] ?? "0");
    const flow: Record<string, unknown> = {
      ...emptyFlow,
      timeNs,
      timeMs: Number(BigInt(timeNs) / 1000n) / 1000,
      socketCookie: "0",
      cgroupId: "0",
      ...wire,
      source: this.#endpoints[wire["source"] as number] ?? unknownEndpoint,
      destination: this.#endpoints[wire["destination"] as number] ?? unknownEndpoint,
    };
    delete flow["sequence"];
    for (const list of policyLists) {
      const numbers = (wire[list] ?? []) as readonly number[];
      flow[list] = numbers.flatMap((number) => this.#policies[number] ?? []);
    }
    return flow as SeenFlow;
  }
}
