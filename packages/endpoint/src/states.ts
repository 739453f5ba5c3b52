// The life of an endpoint, in Cilium's words:
//
//   creating -> waiting-for-identity -> waiting-to-regenerate -> regenerating -> ready
//                      ^                       ^      \______________/  |           |
//   restoring ---------|-----------------------+       not-ready <-----+           |
//                      +---------------- labels changed ----------------------------+
//   any of these -> disconnecting -> disconnected        creating, waiting-... -> invalid
//
// "Regenerating" is the writing of the endpoint's rows into kernel maps; nothing is compiled.
import type { EndpointState } from "./model.ts";

const next: Readonly<Record<EndpointState, readonly EndpointState[]>> = {
  creating: ["waiting-for-identity", "disconnecting", "invalid"],
  "waiting-for-identity": ["waiting-to-regenerate", "disconnecting", "invalid"],
  "waiting-to-regenerate": ["regenerating", "waiting-for-identity", "disconnecting"],
  regenerating: [
    "ready",
    "not-ready",
    "waiting-to-regenerate",
    "waiting-for-identity",
    "disconnecting",
  ],
  "not-ready": ["waiting-to-regenerate", "regenerating", "waiting-for-identity", "disconnecting"],
  restoring: ["waiting-to-regenerate", "waiting-for-identity", "disconnecting", "invalid"],
  ready: ["waiting-for-identity", "waiting-to-regenerate", "restoring", "disconnecting"],
  disconnecting: ["disconnected"],
  disconnected: [],
  invalid: ["disconnecting"],
};

/** True when an endpoint may go from one state straight to the other; staying is always allowed. */
export function mayBecome(from: EndpointState, to: EndpointState): boolean {
  return from === to || next[from].includes(to);
}

/** States in which the endpoint's rows belong into the kernel. */
export function wantsDatapath(state: EndpointState): boolean {
  return (
    state === "waiting-to-regenerate" ||
    state === "regenerating" ||
    state === "not-ready" ||
    state === "ready"
  );
}

/** Every state, for metrics that show zeros too. */
export const endpointStates = Object.keys(next) as EndpointState[];
