// This node's health endpoint: an endpoint as a pod's, with addresses of the node's pool, policy and the identity
// reserved:health, and one process in it that answers probes. Who reaches it reaches this node's pods.
//
//   waiting --> responder started --> endpoint added --> up --the process ends, or nobody reaches it--> waiting (longer)
//       \-- both still there from an earlier agent --------^
import { setTimeout as sleep } from "node:timers/promises";
import {
  type AddRequest,
  type Endpoints,
  healthAttachment,
  netnsCookie,
  parseNetworkConfig,
} from "@tsilium/endpoint";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import { reservedIdentities } from "@tsilium/identity";
import { type Identity, ReservedIdentity } from "@tsilium/identity/model.ts";
import type { HealthAddresses } from "@tsilium/node/model.ts";
import { type RunningProcess, watchEnd } from "@tsilium/proxy/launch/index.ts";
import type { Logger, PartHealth } from "@tsilium/runtime";
import { netnsOfProcess, Responder } from "./responder.ts";

export type HealthEndpointOptions = {
  readonly runDir: string;
  /** Why there is to be none: what an earlier agent left of one is removed. undefined: there is to be one. */
  readonly unwanted: string | undefined;
  /** That its process answers at. */
  readonly port: number;
  readonly endpoints: Endpoints;
  /** Of endpoints whose identity is reserved:health, whatever their labels. */
  readonly commands: {
    add(request: AddRequest, signal: AbortSignal): Promise<unknown>;
    remove(id: number): Promise<void>;
  };
  /** Told whenever its addresses are others. */
  readonly onAddresses: (addresses: HealthAddresses) => void;
  readonly log: Logger;
};

const firstDelayMs = 500;
const longestDelayMs = 60_000;
/** One that was up this long is made anew without delay. */
const forgivenAfterMs = 60_000;
/** Rounds of probes that this node's own endpoint may stay without an answer before it is made anew. */
const patientRounds = 3;

/** What gives an endpoint its identity, for `EndpointCommands`. */
export const healthIdentities = {
  allocate: (): Promise<Identity> => Promise.resolve(healthIdentity()),
  release: (): void => undefined,
};

export class HealthEndpoint implements AsyncDisposable {
  readonly #options: HealthEndpointOptions;
  readonly #responder: Responder;
  readonly #ending = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #again: (() => void) | undefined;
  #silentRounds = 0;
  #health: Omit<PartHealth, "name">;

  constructor(options: HealthEndpointOptions) {
    this.#options = options;
    this.#responder = new Responder(options);
    const { unwanted } = options;
    this.#health =
      unwanted === undefined
        ? { state: "degraded", message: "it is being made" }
        : { state: "disabled", message: unwanted };
  }

  get health(): Omit<PartHealth, "name"> {
    return this.#health;
  }

  /** Begins. Restored endpoints must have been adopted by then. */
  start(): void {
    this.#running = this.#options.unwanted === undefined ? this.#keep() : this.#clear();
  }

  /** Told after each round whether this node's own probes reach it. */
  noteReachable(reachable: boolean): void {
    this.#silentRounds = reachable ? 0 : this.#silentRounds + 1;
    if (this.#silentRounds < patientRounds) return;
    this.#silentRounds = 0;
    this.#again?.();
  }

  /** Leaves the endpoint as it is: it goes on answering. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(new Error("the agent stops"));
    await this.#running;
  }

  async #keep(): Promise<void> {
    const { signal } = this.#ending;
    for (let delayMs = 0; !signal.aborted;) {
      const startedAt = performance.now();
      const problem = await this.#live().catch((error: Error) => error.message);
      if (signal.aborted) return;
      const stayed = performance.now() - startedAt > forgivenAfterMs;
      delayMs = stayed ? 0 : Math.min(Math.max(delayMs * 2, firstDelayMs), longestDelayMs);
      this.#health = { state: "degraded", message: `it is being made anew: ${problem}` };
      this.#options.log.warn({ problem, delayMs }, "the health endpoint is made anew");
      this.#options.onAddresses({ ipv4: undefined, ipv6: undefined });
      await this.#takeDown().catch((error: Error) =>
        this.#options.log.error({ error }, "the health endpoint cannot be removed"),
      );
      await sleep(delayMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Resolves with why it is over. @throws what stands in the way of making it */
  async #live(): Promise<string> {
    const { endpoints, onAddresses, log } = this.#options;
    const { process, endpoint } = this.#adopted() ?? (await this.#make());
    onAddresses(endpoint);
    const addresses = [endpoint.ipv4, endpoint.ipv6].filter((address) => address !== undefined);
    this.#health = { state: "ok", message: `endpoint ${endpoint.id}: ${addresses.join(", ")}` };
    log.info({ endpoint: endpoint.id, pid: process.pid }, "the health endpoint is up");
    const over = Promise.withResolvers<string>();
    this.#again = () => over.resolve("it did not answer this node's own probes");
    using _end = watchEnd(process, (how) =>
      over.resolve(`its process ended${how === undefined ? "" : ` (${how})`}`),
    );
    using _row = endpoints.table.subscribe(({ kind, row }) => {
      if (row.id === endpoint.id && kind === "delete") over.resolve("somebody removed it");
    });
    this.#ending.signal.addEventListener("abort", () => over.resolve("the agent stops"), {
      once: true,
    });
    try {
      return await over.promise;
    } finally {
      this.#again = undefined;
    }
  }

  /** Both of them, from an earlier agent and whole. */
  #adopted(): { process: RunningProcess; endpoint: Endpoint } | undefined {
    const process = this.#responder.found();
    const endpoint = this.#options.endpoints.find(healthAttachment);
    if (!process || endpoint?.attachedAt === undefined) return undefined;
    if (endpoint.netns !== netnsOfProcess(process)) return undefined;
    if (endpoint.netnsCookie !== netnsCookie(endpoint.netns)) return undefined;
    return { process, endpoint };
  }

  async #make(): Promise<{ process: RunningProcess; endpoint: Endpoint }> {
    const { endpoints, commands } = this.#options;
    const { signal } = this.#ending;
    await this.#takeDown();
    const process = await this.#responder.start(signal);
    const config = parseNetworkConfig('{"cniVersion":"1.1.0","name":"health"}');
    await commands.add(
      {
        command: "ADD",
        // A network that no runtime can name: its GC is about its own.
        config: { ...config, name: "", chainingMode: "none" },
        invocation: { path: "", args: "", netconf: "" },
        attachment: healthAttachment,
        netns: netnsOfProcess(process),
        pod: undefined,
      },
      signal,
    );
    const endpoint = endpoints.find(healthAttachment);
    if (!endpoint) throw new Error("somebody removed it");
    return { process, endpoint };
  }

  async #takeDown(): Promise<void> {
    const { endpoints, commands } = this.#options;
    const endpoint = endpoints.find(healthAttachment);
    if (endpoint) await commands.remove(endpoint.id);
    await this.#responder.stop();
  }

  async #clear(): Promise<void> {
    const { onAddresses, log } = this.#options;
    onAddresses({ ipv4: undefined, ipv6: undefined });
    await this.#takeDown().catch((error: Error) =>
      log.error({ error }, "the health endpoint of before cannot be removed"),
    );
  }
}

function healthIdentity(): Identity {
  const found = reservedIdentities.find(({ id }) => id === ReservedIdentity.health);
  if (!found) throw new Error("reserved:health has no number");
  return found;
}
