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

/**
 * What a state means for the kernel: its rows are written, are left as they are (while an identity is awaited,
 * a running pod keeps its old one), or are removed.
 */
export function datapathDuty(state: EndpointState): "write" | "leave" | "remove" {
  switch (state) {
    case "waiting-to-regenerate":
    case "regenerating":
    case "not-ready":
    case "ready":
      return "write";
    case "creating":
    case "waiting-for-identity":
    case "restoring":
      return "leave";
    case "disconnecting":
    case "disconnected":
    case "invalid":
      return "remove";
  }
}

/** Every state, for metrics that show zeros too. */
export const endpointStates = Object.keys(next) as EndpointState[];
