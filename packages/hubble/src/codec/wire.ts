// Where the wire and the model differ.
import manifest from "../../package.json" with { type: "json" };

/** Model: -1 none, 0 to an endpoint. Wire: 0 none, 101 to an endpoint. */
export function observationPointToWire(point: number): number {
  if (point === 0) return 101;
  return point < 0 ? 0 : point;
}

export function observationPointFromWire(point: number): number {
  if (point === 101) return 0;
  return point === 0 ? -1 : point;
}

/** flow.Emitter of our flows. */
export const emitter = { name: "Tsilium", version: manifest.version } as const;

/** The flow.IPVersion of a flow that does not say it. */
export function ipVersionOf(version: number, address: string): 1 | 2 {
  if (version === 1 || version === 2) return version;
  return address.includes(":") ? 2 : 1;
}

/** A flow.L7FlowType that the model has; others are not known. */
export function layer7Type(type: number): 0 | 1 | 2 | 3 {
  return type === 1 || type === 2 || type === 3 ? type : 0;
}
