// Interfaces that were made for nodes and are nobody's any more: an operator died between making and attaching, or an
// instance went without them. Deleted when two looks in a row find them so, since one that is being attached looks alike.
import { type Cloud, CloudError, type Tags } from "@tsilium/cloud";
import type { Logger } from "@tsilium/runtime";

export type CollectorOptions = {
  readonly cloud: Cloud;
  /** Interfaces that have all of these, and only those. Never empty: others' interfaces are not ours to delete. */
  readonly tags: Tags;
  readonly log: Logger;
};

export class InterfaceCollector {
  readonly #options: CollectorOptions;
  #suspects: ReadonlySet<string> = new Set();

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  /** Answers how many it deleted. @throws CloudError when the cloud cannot be read; the signal's reason */
  async look(signal: AbortSignal): Promise<number> {
    const { cloud, tags, log } = this.#options;
    if (Object.keys(tags).length === 0) return 0;
    const idle = await cloud.interfaces({ tags, state: "available", signal });
    const found = idle.filter(({ attachment }) => !attachment).map(({ id }) => id);
    let deleted = 0;
    for (const id of found) {
      if (!this.#suspects.has(id)) continue;
      try {
        await cloud.deleteInterface(id, signal);
        deleted++;
        log.info({ interface: id }, "deleted an interface that was nobody's");
      } catch (error) {
        if (!(error instanceof CloudError)) throw error;
        log.warn({ interface: id, error }, "an interface that is nobody's cannot be deleted");
      }
    }
    this.#suspects = new Set(found);
    return deleted;
  }
}
