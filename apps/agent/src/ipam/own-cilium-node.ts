// This node's own CiliumNode, whole, for modes whose operator (or user) and agent talk through it.
import { type CiliumNode, objectKey, resources } from "@tsilium/kube";
import { Table } from "@tsilium/tables";
import { withoutBallast } from "../node/trim.ts";
import type { IpamParts } from "./source.ts";

export class OwnCiliumNode {
  /** One row, or none. */
  readonly table: Table<CiliumNode> = new Table<CiliumNode>({
    name: "own-ciliumnode",
    key: objectKey,
  });
  readonly #parts: Pick<IpamParts, "client" | "nodeName" | "watches">;

  constructor(parts: Pick<IpamParts, "client" | "nodeName" | "watches">) {
    this.#parts = parts;
  }

  get current(): CiliumNode | undefined {
    return this.table.get(this.#parts.nodeName);
  }

  /** Begins to follow it. Resolves when it is known whether there is one. @throws the signal's reason */
  start(signal: AbortSignal): Promise<void> {
    const { nodeName, watches } = this.#parts;
    return watches.start("own ciliumnode", resources.ciliumNodes, {
      fieldSelector: `metadata.name=${nodeName}`,
      signal,
      trim: withoutBallast,
      // At a cluster's start the kind may not be defined for a second.
      retry: { minMs: 50, maxMs: 1_000 },
      handlers: {
        upsert: (object) => void this.table.upsert(object),
        delete: (object) => void this.table.delete(objectKey(object)),
      },
    });
  }

  /** What `read` makes of the object, as soon as that is something. @throws the signal's reason */
  async until<T>(read: (node: CiliumNode) => T | undefined, signal: AbortSignal): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const look = () => {
      const found = this.current && read(this.current);
      if (found !== undefined) resolve(found);
    };
    const abort = () => reject(signal.reason);
    using _subscription = this.table.subscribe(look);
    signal.addEventListener("abort", abort, { once: true });
    try {
      if (signal.aborted) abort();
      look();
      return await promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Changes the spec, if it is still what was read. @throws KubeError conflict */
  async patchSpec(spec: object, read: CiliumNode, signal: AbortSignal): Promise<void> {
    const { client, nodeName } = this.#parts;
    const { resourceVersion } = read.metadata;
    await client.patch(resources.ciliumNodes, nodeName, {
      type: "merge",
      patch: { metadata: { resourceVersion }, spec },
      signal,
    });
  }

  /** @throws KubeError */
  async patchStatus(status: object, signal: AbortSignal): Promise<void> {
    const { client, nodeName } = this.#parts;
    await client.patchStatus(resources.ciliumNodes, nodeName, { status, signal });
  }
}
