// Control groups of this bench's own, one per node: what runs in a node's meets that node's programs at connect().
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findCgroupRoot } from "../../apps/agent/src/services/datapath-config.ts";

const patienceMs = 1000;
const pauseMs = 5;

/** Gone with the scope or with the process, and what runs in them with them. */
export class Cgroups implements Disposable {
  readonly #root = join(findCgroupRoot(), `tsilium-bench-${process.pid}`);
  readonly #names: string[] = [];
  readonly #onExit = () => this[Symbol.dispose]();

  constructor() {
    process.once("exit", this.#onExit);
    mkdirSync(this.#root);
  }

  path(name: string): string {
    return join(this.#root, name);
  }

  /** Makes a folder; answers its path. */
  add(name: string): string {
    this.#names.push(name);
    mkdirSync(this.path(name));
    return this.path(name);
  }

  [Symbol.dispose](): void {
    process.off("exit", this.#onExit);
    if (!existsSync(this.#root)) return;
    // Linux 5.14.
    writeFileSync(join(this.#root, "cgroup.kill"), "1");
    for (const name of this.#names.splice(0)) removeEmptied(this.path(name));
    removeEmptied(this.#root);
  }
}

/** Killed processes are members until they are gone. @throws Error when that takes too long */
function removeEmptied(path: string): void {
  for (const endMs = performance.now() + patienceMs; ; pause())
    try {
      return rmdirSync(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EBUSY" || performance.now() > endMs) throw error;
    }
}

/** Exit handlers cannot wait for anything else. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
}
