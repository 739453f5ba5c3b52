// Inputs that wait for the engine: the last word on each thing, in two lanes. What a pod that is added waits for
// (addresses, identities) is quick to work in and goes first; policies, which may be many and slow, follow in slices.
import { type PolicyInput, subjectKeyOf } from "./inputs/model.ts";

type Waiting = {
  input: PolicyInput;
  /** The first sequence number that is not applied as long as this waits. */
  readonly since: number;
};

export class Inbox {
  readonly #urgent = new Map<string, Waiting>();
  readonly #patient = new Map<string, Waiting>();
  #lastSequence = 0;

  get isEmpty(): boolean {
    return this.#urgent.size === 0 && this.#patient.size === 0;
  }

  /** Everything up to this sequence number has been taken. */
  get taken(): number {
    return Math.min(this.urgentTaken, this.#takenOf(this.#patient));
  }

  /** The same, of what is urgent. */
  get urgentTaken(): number {
    return this.#takenOf(this.#urgent);
  }

  add(sequence: number, inputs: Iterable<PolicyInput>): void {
    for (const input of inputs) {
      const lane = isUrgent(input) ? this.#urgent : this.#patient;
      const key = subjectKeyOf(input);
      const before = lane.get(key);
      // It keeps its place, so that the first in a lane is the one that has waited longest.
      if (before) before.input = input;
      else lane.set(key, { input, since: sequence });
    }
    this.#lastSequence = sequence;
  }

  /** Takes what is urgent. */
  *takeUrgent(): Generator<PolicyInput, void> {
    yield* takeFrom(this.#urgent);
  }

  /** Takes the rest, one at a time. To be called with nothing urgent waiting: "synced" is about both. */
  *takePatient(): Generator<PolicyInput, void> {
    yield* takeFrom(this.#patient);
  }

  #takenOf(lane: Map<string, Waiting>): number {
    const first = lane.values().next();
    return first.done ? this.#lastSequence : first.value.since - 1;
  }
}

function* takeFrom(lane: Map<string, Waiting>): Generator<PolicyInput, void> {
  for (const [key, { input }] of lane) {
    lane.delete(key);
    yield input;
  }
}

function isUrgent({ kind }: PolicyInput): boolean {
  switch (kind) {
    case "address":
    case "address-gone":
    case "identity":
    case "identity-gone":
      return true;
    case "policy":
    case "policy-gone":
    case "cidr-group":
    case "cidr-group-gone":
    case "service":
    case "service-gone":
    case "synced":
      return false;
  }
}
