// The kernel's services as maps in memory, with as much room as a test gives them: for tests of what is written when.
import { DatapathError } from "@tsilium/datapath";
import type {
  BackendEntry,
  BackendSetEntry,
  FrontendEntry,
  FrontendKey,
  ServiceChanges,
  ServiceSurvey,
} from "@tsilium/datapath/model.ts";
import { endpointText } from "@tsilium/loadbalancer/model.ts";
import type { ServiceKernel } from "../writer.ts";

/** Keeps the order of writes that packets rely on, and refuses what does not fit half way, as the real one does. */
export class MemoryKernel implements ServiceKernel {
  readonly frontends = new Map<string, FrontendEntry>();
  readonly sets = new Map<number, BackendSetEntry>();
  readonly backends = new Map<number, BackendEntry>();
  /** Of backends. */
  room = Infinity;
  /** What it answers instead of taking anything. */
  refusal: Error | undefined;
  applies = 0;

  survey(): ServiceSurvey {
    return {
      frontends: [...this.frontends.values()],
      sets: [...this.sets.values()],
      backends: [...this.backends.values()],
      sourceRanges: [],
      exceptions: [],
    };
  }

  apply({ backends, sets, frontends }: ServiceChanges): void {
    this.applies++;
    if (this.refusal) throw this.refusal;
    for (const entry of backends.put) {
      if (!this.backends.has(entry.id) && this.backends.size >= this.room)
        throw new DatapathError("map_full", "tsi_lb_backend has no room");
      this.backends.set(entry.id, entry);
    }
    for (const entry of sets.put) this.sets.set(entry.id, entry);
    for (const entry of frontends.put) this.frontends.set(textOf(entry), entry);
    const kept = new Set(frontends.put.map(textOf));
    for (const entry of frontends.remove)
      if (!kept.has(textOf(entry))) this.frontends.delete(textOf(entry));
    for (const { id } of sets.remove) this.sets.delete(id);
    for (const { id } of backends.remove) this.backends.delete(id);
  }

  /** "10.96.0.10:80/TCP -> 10.244.0.1:80", in order; backends of its internal set. */
  show(): string[] {
    return [...this.frontends]
      .map(([text, { internalSet }]) => {
        const ids = this.sets.get(internalSet)?.backends ?? [];
        const backends = ids.map((id) => {
          const backend = this.backends.get(id);
          return backend ? `${backend.address}:${backend.port}` : "nobody";
        });
        return `${text} -> ${backends.toSorted().join(" ")}`.trim();
      })
      .toSorted();
  }
}

function textOf({ address, port, protocol }: FrontendKey): string {
  return address ? endpointText(address, port, protocol) : `any:${port}/${protocol}`;
}
