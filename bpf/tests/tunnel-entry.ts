// The way into from_overlay for test runs: metadata first, then the program itself.
import { type Collection, loadCollection, type Program } from "@tsilium/ebpf";
import { Address } from "@tsilium/net";
import { compileTestObject } from "./compile.ts";
import type { Tunnelled } from "./node.ts";

export class TunnelEntry implements Disposable {
  readonly #collection: Collection;

  constructor(underTest: Program) {
    this.#collection = loadCollection(compileTestObject("tunnel_entry"));
    this.#collection.map("program_under_test").updateObject(new Uint8Array(4), underTest);
  }

  /** The program to run for packets that came like this. */
  from({ outerSource, vni }: Tunnelled): Program {
    const value = new DataView(new ArrayBuffer(8));
    value.setUint32(0, Number(Address.parse(outerSource).toBigInt()), true);
    value.setUint32(4, vni, true);
    this.#collection.map("outer").update(new Uint8Array(4), new Uint8Array(value.buffer));
    return this.#collection.program("enter_tunnelled");
  }

  [Symbol.dispose](): void {
    this.#collection[Symbol.dispose]();
  }
}
