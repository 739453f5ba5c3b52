// The kernel's tables of services, as far as changes to them are concerned: applied in the order that the datapath promises, with
// everything checked between any two writes that a packet could come between.
import type {
  BackendEntry,
  BackendSetEntry,
  FrontendEntry,
  ServiceChanges,
  ServiceException,
  ServiceSurvey,
  SourceRange,
} from "@tsilium/datapath/model.ts";
import { endpointText } from "../model.ts";

export class WriteFailed extends Error {
  override readonly name = "WriteFailed";
}

export class KernelTables {
  readonly backends = new Map<number, BackendEntry>();
  readonly sets = new Map<number, BackendSetEntry>();
  readonly frontends = new Map<string, FrontendEntry>();
  readonly sourceRanges = new Map<string, SourceRange>();
  readonly exceptions = new Map<string, ServiceException>();
  /** All writes so far. */
  writes = 0;

  /**
   * Applies changes as the datapath does. `failAfter`: that many writes succeed.
   * @throws WriteFailed then; Error when a packet could have met something that is not there
   */
  apply(changes: ServiceChanges, failAfter = Number.POSITIVE_INFINITY): void {
    let left = failAfter;
    for (const write of this.#writesOf(changes)) {
      if (left-- <= 0) throw new WriteFailed("the kernel is full");
      write();
      this.writes++;
      this.check();
    }
  }

  /** What an agent that starts finds. */
  survey(): ServiceSurvey {
    return {
      backends: [...this.backends.values()],
      sets: [...this.sets.values()].map((set) => ({
        ...set,
        maglev: set.maglev && new Uint32Array(0),
      })),
      frontends: [...this.frontends.values()],
      sourceRanges: [...this.sourceRanges.values()],
      exceptions: [...this.exceptions.values()],
    };
  }

  /** @throws Error naming what is missing */
  check(): void {
    const ids = new Set<number>();
    for (const [key, { id, externalSet, internalSet, kind }] of this.frontends) {
      if (id === 0 || ids.has(id)) throw new Error(`${key}: frontend id ${id} is used twice`);
      ids.add(id);
      for (const set of [externalSet, internalSet])
        if (kind === "address-only" ? set !== 0 : !this.sets.has(set))
          throw new Error(`${key}: there is no set ${set}`);
    }
    for (const { id, backends, maglev } of this.sets.values())
      for (const backend of [...backends, ...(maglev ?? [])])
        if (!this.backends.has(backend))
          throw new Error(`set ${id}: there is no backend ${backend}`);
  }

  /** Everything but numbers and the order of slots, a line per frontend, sorted. */
  text(): string {
    const lines = [...this.frontends].map(([key, frontend]) => {
      const { kind, id, externalSet, internalSet } = frontend;
      const words = [key, kind];
      if (externalSet) words.push(this.#setText(externalSet), this.#setText(internalSet));
      if (frontend.dsr) words.push("dsr");
      if (frontend.localRedirect) words.push("redirect");
      const ranges = [...this.sourceRanges.values()].filter((range) => range.frontend === id);
      if (frontend.hasSourceRanges || ranges.length > 0)
        words.push(
          `from ${
            ranges
              .map(({ prefix }) => `${prefix}`)
              .toSorted()
              .join() || "nowhere"
          }`,
        );
      const cookies = [...this.exceptions.values()].filter((each) => exceptionText(each) === key);
      if (frontend.hasExceptions !== cookies.length > 0) words.push("EXCEPTIONS DIFFER");
      words.push(...cookies.map(({ netnsCookie }) => `but ${netnsCookie}`).toSorted());
      return words.join(" ");
    });
    const backends = [...this.backends.values()].map(
      ({ address, port, protocol, state }) => `${endpointText(address, port, protocol)} ${state}`,
    );
    return [...lines.toSorted(), ...backends.toSorted()].join("\n");
  }

  #setText(id: number): string {
    const set = this.sets.get(id);
    if (!set) return "NO SET";
    const keys = set.backends.map((backend) => {
      const entry = this.backends.get(backend);
      return entry ? endpointText(entry.address, entry.port, entry.protocol) : "NO BACKEND";
    });
    const words = keys.toSorted();
    if (set.affinityTimeoutS) words.push(`${set.affinityTimeoutS}s`);
    if (set.silent) words.push("silent");
    if (set.maglev) words.push(`maglev ${new Set(set.maglev).size}`);
    return `[${words.join(" ")}]`;
  }

  *#writesOf(changes: ServiceChanges): Iterable<() => void> {
    const { backends, sets, frontends, sourceRanges, exceptions } = changes;
    for (const entry of backends.put) yield () => this.backends.set(entry.id, entry);
    for (const entry of sets.put) yield () => this.sets.set(entry.id, entry);
    for (const entry of sourceRanges.put)
      yield () => this.sourceRanges.set(`${entry.frontend} ${entry.prefix}`, entry);
    for (const entry of exceptions.put)
      yield () => this.exceptions.set(`${entry.netnsCookie} ${exceptionText(entry)}`, entry);
    for (const entry of frontends.put) yield () => this.frontends.set(frontendText(entry), entry);
    for (const entry of frontends.remove) yield () => this.frontends.delete(frontendText(entry));
    for (const entry of exceptions.remove)
      yield () => this.exceptions.delete(`${entry.netnsCookie} ${exceptionText(entry)}`);
    for (const entry of sourceRanges.remove)
      yield () => this.sourceRanges.delete(`${entry.frontend} ${entry.prefix}`);
    for (const entry of sets.remove) yield () => this.sets.delete(entry.id);
    for (const entry of backends.remove) yield () => this.backends.delete(entry.id);
  }
}

function frontendText({ address, port, protocol }: FrontendEntry): string {
  if (!address) throw new Error("a frontend without an address");
  return endpointText(address, port, protocol);
}

function exceptionText({ address, port, protocol }: ServiceException): string {
  if (!address) throw new Error("an exception without an address");
  return endpointText(address, port, protocol);
}
