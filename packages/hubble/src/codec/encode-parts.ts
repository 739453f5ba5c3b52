// The parts that flows share, encoded once per object.
import type { FlowEndpoint, FlowPolicy, FlowService } from "../model.ts";
import { emitter } from "./wire.ts";
import { Writer } from "./writer.ts";

const writer = new Writer();

/** Bytes of flow.Endpoint. */
export const encodedEndpoint = once<FlowEndpoint>((endpoint) => {
  writer.uintField(8, endpoint.id);
  writer.uintField(16, endpoint.identity);
  writer.stringField(26, endpoint.namespace);
  writer.strings(34, endpoint.labels);
  writer.stringField(42, endpoint.podName);
  for (const { name, kind } of endpoint.workloads) {
    const begin = writer.open(50);
    writer.stringField(10, name);
    writer.stringField(18, kind);
    writer.close(begin);
  }
  writer.stringField(58, endpoint.clusterName);
});

/** Bytes of flow.Service. */
export const encodedService = once<FlowService>((service) => {
  writer.stringField(10, service.name);
  writer.stringField(18, service.namespace);
});

/** Bytes of flow.Policy. */
export const encodedPolicy = once<FlowPolicy>((policy) => {
  writer.stringField(10, policy.name);
  writer.stringField(18, policy.namespace);
  writer.strings(26, policy.labels);
  writer.longField(32, policy.revision);
  writer.stringField(42, policy.kind);
});

/** Bytes of flow.Emitter. */
export const encodedEmitter: Uint8Array = once<typeof emitter>(({ name, version }) => {
  writer.stringField(10, name);
  writer.stringField(18, version);
})(emitter);

/** Nothing known: the field is left out. */
export function isEmptyEndpoint(endpoint: FlowEndpoint): boolean {
  return (
    endpoint.identity === 0 &&
    endpoint.id === 0 &&
    endpoint.podName === "" &&
    endpoint.namespace === "" &&
    endpoint.clusterName === "" &&
    endpoint.labels.length === 0 &&
    endpoint.workloads.length === 0
  );
}

function once<T extends object>(write: (value: T) => void): (value: T) => Uint8Array {
  const known = new WeakMap<T, Uint8Array>();
  return (value) => {
    let encoded = known.get(value);
    if (encoded === undefined) {
      writer.start();
      write(value);
      encoded = writer.copy();
      known.set(value, encoded);
    }
    return encoded;
  };
}
