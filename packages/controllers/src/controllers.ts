// Starts every controller and stops them all.
import type { KubeClient } from "@tsilium/kube";

export type Log = {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
};

export type ControllerOptions = {
  readonly client: KubeClient;
  readonly log: Log;
  /** Endpoints of the service "kubernetes". */
  readonly apiEndpoints: readonly { readonly address: string; readonly port: number }[];
};

export class Controllers {
  readonly #stopper = new AbortController();

  static start(_options: ControllerOptions): Controllers {
    return new Controllers();
  }

  async stop(): Promise<void> {
    this.#stopper.abort();
  }
}
