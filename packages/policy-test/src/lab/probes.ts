// The probes of a lab: one in every place that was ever asked for, started when it is.
import type { Place } from "./place.ts";
import type { ProbeAnswer, ProbeRequest } from "./probe-protocol.ts";
import { ProbeSession } from "./session.ts";
import type { Tsilium } from "./tsilium.ts";

export type Reached = ProbeAnswer & { readonly kind: "reached" };

export class Probes implements AsyncDisposable {
  readonly #tsilium: Tsilium;
  readonly #sessions = new Map<string, ProbeSession>();

  constructor(tsilium: Tsilium) {
    this.#tsilium = tsilium;
  }

  /** Somebody answers on the port when this resolves. @throws TestError lab_failed */
  async serve(place: Place, what: Omit<ProbeRequest & { kind: "serve" }, "kind">): Promise<void> {
    await this.#session(place).request({ kind: "serve", ...what });
  }

  /** @throws TestError lab_failed when it cannot be tried */
  async reach(
    place: Place,
    target: Omit<ProbeRequest & { kind: "reach" }, "kind">,
  ): Promise<Reached> {
    return (await this.#session(place).request({ kind: "reach", ...target })) as Reached;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [...this.#sessions.values()].map((session) => session[Symbol.asyncDispose]()),
    );
  }

  /** A probe ends with its pod: then another is started, in the pod that took its place. */
  #session(place: Place): ProbeSession {
    const words = wordsOf(place);
    const name = words.slice(1).join(" ");
    const open = this.#sessions.get(name);
    if (open && !open.over) return open;
    const child = this.#tsilium.start([...words, "--", this.#tsilium.path, "policy", "probe"]);
    const session = new ProbeSession(name, child);
    this.#sessions.set(name, session);
    return session;
  }
}

function wordsOf(place: Place): string[] {
  switch (place.kind) {
    case "pod":
      return ["lab", "exec", "-n", place.namespace, place.name];
    case "node":
      return ["lab", "node", "exec", place.node];
    case "world":
      return ["lab", "world", "exec"];
  }
}
