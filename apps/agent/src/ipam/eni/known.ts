// What is known of the instance's interfaces and addresses, on disk too: an agent that comes back serves pods before it
// hears from the API server.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { CiliumNode } from "@tsilium/kube";
import { addressesOf, type EniAddress, type EniInterface, interfacesOf } from "./interfaces.ts";

export type KnownEni = {
  readonly interfaces: readonly EniInterface[];
  /** For pods, without those on their way back to the cloud. */
  readonly addresses: readonly EniAddress[];
};

export function knownOf(node: CiliumNode, leaving: ReadonlySet<string>): KnownEni {
  return {
    interfaces: interfacesOf(node),
    addresses: addressesOf(node).filter(({ address }) => !leaving.has(address.toString())),
  };
}

/** Keeps the parts of a CiliumNode that `knownOf` reads. */
export class EniFile {
  readonly #path: string;
  #written = "";

  constructor(path: string) {
    this.#path = path;
  }

  /** Whole or not at all; nothing when it is there already. */
  save(node: CiliumNode, leaving: ReadonlySet<string>): void {
    const { spec, status } = node;
    const kept = {
      spec: { ipam: { pool: spec?.ipam?.pool ?? {} } },
      status: { eni: { enis: status?.eni?.enis ?? {} } },
      leaving: [...leaving],
    };
    const text = JSON.stringify(kept);
    if (text === this.#written) return;
    writeFileSync(`${this.#path}.draft`, text, { mode: 0o600 });
    renameSync(`${this.#path}.draft`, this.#path);
    this.#written = text;
  }

  /** Nothing when there is nothing that can be read. */
  load(): KnownEni {
    try {
      const saved = JSON.parse(readFileSync(this.#path, "utf8")) as CiliumNode & {
        readonly leaving?: readonly string[];
      };
      return knownOf(saved, new Set(saved.leaving));
    } catch {
      return { interfaces: [], addresses: [] };
    }
  }
}
