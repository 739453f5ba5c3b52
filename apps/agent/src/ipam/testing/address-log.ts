// A log of addresses kept by the runtime's side alone, from what CNI answered: whoever holds one is the only one.
import assert from "node:assert/strict";
import type { CniResult, Runtime, TestPod } from "../../testing/runtime.ts";

export class AddressLog {
  readonly #runtime: Runtime;
  /** Address to pod. */
  readonly #held = new Map<string, string>();
  /** Every address that was ever given. */
  readonly given: string[] = [];

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  get size(): number {
    return this.#held.size;
  }

  addresses(): string[] {
    return [...this.#held.keys()];
  }

  /** "address pod" lines, sorted. */
  lines(): string[] {
    return [...this.#held].map(([address, pod]) => `${address} ${pod}`).toSorted();
  }

  /** ADDs all at once; each has an address of each family that nobody else has. */
  async addAll(pods: readonly TestPod[], more: Parameters<Runtime["add"]>[1] = {}): Promise<void> {
    await Promise.all(
      pods.map(async (pod) => {
        const { ips } = (await this.#runtime.add(pod, more)) as CniResult;
        const addresses = ips.map(({ address }) => address.split("/")[0] as string);
        assert.deepEqual(
          addresses.map((address) => (address.includes(":") ? 6 : 4)).toSorted(),
          [4, 6],
          `${pod.name} has ${addresses.join()}`,
        );
        for (const address of addresses) {
          const holder = this.#held.get(address);
          assert.equal(holder, undefined, `${address} is ${holder}'s and was given to ${pod.name}`);
          this.#held.set(address, pod.name);
          this.given.push(address);
        }
      }),
    );
  }

  /** DELs all at once. Their addresses may be others' from the moment that is asked for. */
  async removeAll(pods: readonly TestPod[], more: object = {}): Promise<void> {
    const names = new Set(pods.map(({ name }) => name));
    for (const [address, pod] of this.#held) if (names.has(pod)) this.#held.delete(address);
    await Promise.all(
      pods.map((pod) => this.#runtime.remove({ ...pod, options: { ...pod.options, ...more } })),
    );
  }

  /** The agent believes the same: no address is lost, none held by nobody. */
  async compare(): Promise<void> {
    const { body } = await this.#runtime.node.get<{
      allocations: { address: string; owner: string }[];
    }>("/v1/ipam");
    const allocated = body.allocations
      .filter(({ owner }) => owner !== "router")
      .map(({ address, owner }) => `${address} ${owner.replace("default/", "")}`);
    assert.deepEqual(allocated.toSorted(), this.lines());
  }
}
