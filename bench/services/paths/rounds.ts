// Ways to services, side by side: every way in every round, in random order.
import type { ChildProcess } from "node:child_process";
import { measure, type Measurement, startServer } from "../../path/netbench.ts";
import { shuffled } from "../../statistics.ts";
import type { Path, Server } from "./path.ts";

export type RoundOptions = {
  readonly rounds: number;
  /** Of one client run. */
  readonly durationMs: number;
};

/** A path and its measurements, one per round. */
export type Measured = Path & { readonly taken: readonly Measurement[] };

/** Connects, asks and closes on every path, again and again. @throws Error with what a client said */
export async function measureRounds(
  paths: readonly Path[],
  { rounds, durationMs }: RoundOptions,
): Promise<Measured[]> {
  const measured = paths.map((path) => ({ ...path, taken: [] as Measurement[] }));
  for (let round = 0; round < rounds; round++)
    for (const { client, target, taken } of shuffled(measured)) {
      const { netns, ...where } = client;
      const port = String(target.port);
      const options = { kind: "crr", address: target.address, port, durationMs, ...where } as const;
      taken.push(await measure(netns, options));
    }
  return measured;
}

/** Servers that end with the scope, or with the process. */
export class Servers implements Disposable {
  readonly #processes: ChildProcess[] = [];
  readonly #onExit = () => this[Symbol.dispose]();

  constructor() {
    process.once("exit", this.#onExit);
  }

  /** Resolves when all of them listen. */
  async start(servers: readonly Server[]): Promise<void> {
    for (const { netns, port } of servers)
      this.#processes.push(await startServer(netns, "crr", String(port)));
  }

  [Symbol.dispose](): void {
    process.off("exit", this.#onExit);
    for (const server of this.#processes.splice(0)) server.kill("SIGKILL");
  }
}
