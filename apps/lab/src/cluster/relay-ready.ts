// Whether the relay has every node's flows.
import type { LabLayout } from "../layout.ts";

const patienceMs = 1_000;

/** What gRPC needs is loaded for as long as somebody waits. */
export class RelayProbe implements Disposable {
  readonly #close: () => void;
  readonly #connectedNodes: (signal: AbortSignal) => Promise<number>;

  private constructor(parts: {
    close: () => void;
    connectedNodes: (signal: AbortSignal) => Promise<number>;
  }) {
    this.#close = parts.close;
    this.#connectedNodes = parts.connectedNodes;
  }

  static async of(lab: Pick<LabLayout, "relaySocket">): Promise<RelayProbe> {
    const { connectTo, createClient } = await import("@tsilium/hubble/grpc/index.ts");
    const { Observer } = await import("@tsilium/hubble/gen/observer/observer_pb.ts");
    const connection = connectTo(`unix://${lab.relaySocket}`);
    const observer = createClient(Observer, connection.transport);
    return new RelayProbe({
      close: () => connection.close(),
      connectedNodes: async (signal) =>
        (await observer.serverStatus({}, { signal })).numConnectedNodes ?? 0,
    });
  }

  /** False also while nobody answers. */
  async hasNodes(count: number, signal: AbortSignal): Promise<boolean> {
    try {
      const patience = AbortSignal.timeout(patienceMs);
      const connected = await this.#connectedNodes(AbortSignal.any([signal, patience]));
      return connected >= count;
    } catch (error) {
      signal.throwIfAborted();
      void error; // it is starting
      return false;
    }
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}
