// The objects that a lab was given, and what it takes to give it others.
import assert from "node:assert/strict";
import type { RawObject } from "../../../packages/policy/src/testing/naive/index.ts";
import { type Lab, manifests } from "../harness.ts";

export class Applied {
  readonly #lab: Lab;
  #objects: readonly RawObject[] = [];

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** Objects that are neither namespaces nor pods. */
  get policies(): readonly RawObject[] {
    return this.#objects.filter(({ kind }) => kind !== "Namespace" && kind !== "Pod");
  }

  /** Applies what is new or different and deletes what is gone. */
  async become(wanted: readonly RawObject[]): Promise<void> {
    const before = new Map(this.#objects.map((object) => [keyOf(object), JSON.stringify(object)]));
    const keys = new Set(wanted.map(keyOf));
    await this.#delete(this.#objects.filter((object) => !keys.has(keyOf(object))));
    const changed = wanted.filter((object) => before.get(keyOf(object)) !== JSON.stringify(object));
    if (changed.length > 0) await this.#lab.apply(streamOf(changed));
    this.#objects = wanted;
  }

  /** Deletes objects that come back with the next `become`. */
  async forget(keys: readonly string[]): Promise<void> {
    const doomed = this.#objects.filter((object) => keys.includes(keyOf(object)));
    await this.#delete(doomed);
    this.#objects = this.#objects.filter((object) => !doomed.includes(object));
  }

  /** What lies in a namespace that goes, goes with it. */
  async #delete(doomed: readonly RawObject[]): Promise<void> {
    const namespaces = doomed.filter(({ kind }) => kind === "Namespace");
    const named = doomed.filter(
      (object) => !namespaces.some(({ metadata }) => metadata.name === object.metadata.namespace),
    );
    if (named.length === 0) return;
    const words = ["lab", "delete", "--name", this.#lab.name, "-f", "-"];
    const result = await this.#lab.tsilium(words, { input: streamOf(named) });
    assert.equal(result.status, 0, `delete: ${result.stderr}`);
  }
}

/** "Pod/x/a" */
export function keyOf({ kind, metadata }: RawObject): string {
  return `${kind}/${metadata.namespace ?? ""}/${metadata.name}`;
}

export function streamOf(objects: readonly object[]): string {
  return manifests(...objects.map((object) => JSON.stringify(object)));
}
