// How a program gets onto an interface and is replaced there without a gap: by a pinned tcx link, or by a clsact filter
// on kernels without tcx (before 6.6). Both leave the program running when the agent is gone.
import { ClsactFilter, hasTcx, isBpfError, Link } from "@tsilium/ebpf";
import type { Program } from "@tsilium/ebpf";
import { linkState, placeLink, removeLink } from "./pinned-link.ts";
import type { LinkPlace, LinkState } from "./pinned-link.ts";
import type { Direction } from "../pinned/pins.ts";

/** One side of one interface. */
export type HookPoint = {
  readonly ifindex: number;
  readonly direction: Direction;
  /** Where the link is pinned; clsact needs none. */
  readonly pin: string;
};

/** A way of attaching. All operations are idempotent and concern the namespace that the thread is in. */
export type Hook = {
  readonly kind: "tcx" | "clsact";
  /** Attaches, or replaces in one step what is attached. @throws BpfError ENODEV when the interface is gone */
  attach(program: Program, point: HookPoint): void;
  /** Takes the program off; `ifindex` undefined when nobody knows the interface any more. */
  detach(point: Omit<HookPoint, "ifindex"> & { readonly ifindex: number | undefined }): void;
  /** What the point runs now; `programId` undefined when it cannot be told. */
  state(point: HookPoint): LinkState;
};

export type HookKind = Hook["kind"];

/** The best way this kernel has, unless one is asked for. */
export function chooseHook(wanted?: HookKind): Hook {
  return (wanted ?? (hasTcx() ? "tcx" : "clsact")) === "tcx" ? tcx : clsact;
}

/** The way not taken, to clear away what an agent with another choice left. */
export function otherHook(hook: Hook): Hook {
  return hook.kind === "tcx" ? clsact : tcx;
}

const tcx: Hook = {
  kind: "tcx",

  attach(program, point) {
    placeLink(program, tcxPlace(point));
  },

  detach({ pin }) {
    removeLink(pin);
  },

  state(point) {
    return linkState(tcxPlace(point));
  },
};

/** The index in a link reads 0 once its interface is gone; one made anew has another. */
function tcxPlace({ pin, ifindex, direction }: HookPoint): LinkPlace {
  return {
    pin,
    fits: (info) => info.ifindex === ifindex,
    attach: (program) => Link.attachTcx(program, ifindex, direction),
  };
}

const clsact: Hook = {
  kind: "clsact",

  attach(program, { ifindex, direction }) {
    ClsactFilter.attach(program, ifindex, direction);
  },

  detach({ ifindex, direction }) {
    if (ifindex !== undefined) ClsactFilter.adopt(ifindex, direction).detach();
  },

  state() {
    return { attached: true, programId: undefined };
  },
};

/** Whether attaching failed because the interface no longer exists. */
export function isInterfaceGone(error: unknown): boolean {
  return isBpfError(error, "ENODEV");
}
