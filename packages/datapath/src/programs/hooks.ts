// How a program gets onto an interface and is replaced there without a gap: by a pinned tcx link, or by a clsact filter
// on kernels without tcx (before 6.6). Both leave the program running when the agent is gone.
import { existsSync } from "node:fs";
import { ClsactFilter, hasTcx, isBpfError, Link } from "@tsilium/ebpf";
import type { Program } from "@tsilium/ebpf";
import { withExpeditedGracePeriods } from "./grace-period.ts";
import type { Direction } from "../pinned/pins.ts";

/** One side of one interface. */
export type HookPoint = {
  readonly ifindex: number;
  readonly direction: Direction;
  /** Where the link is pinned; clsact needs none. */
  readonly pin: string;
};

/** What a hook point runs now; undefined when it cannot be told. */
export type HookState = { readonly attached: boolean; readonly programId: number | undefined };

/** A way of attaching. All operations are idempotent and concern the namespace that the thread is in. */
export type Hook = {
  readonly kind: "tcx" | "clsact";
  /** Attaches, or replaces in one step what is attached. @throws BpfError ENODEV when the interface is gone */
  attach(program: Program, point: HookPoint): void;
  /** Takes the program off; `ifindex` undefined when nobody knows the interface any more. */
  detach(point: Omit<HookPoint, "ifindex"> & { readonly ifindex: number | undefined }): void;
  state(point: HookPoint): HookState;
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
    if (replaceInPlace(program, point)) return;
    const attach = () => Link.attachTcx(program, point.ifindex, point.direction);
    using link = withExpeditedGracePeriods(attach);
    link.pin(point.pin);
  },

  detach({ pin }) {
    if (existsSync(pin)) detachLink(pin);
  },

  state({ pin, ifindex }) {
    if (!existsSync(pin)) return { attached: false, programId: undefined };
    using link = Link.fromPinned(pin);
    const info = link.info();
    return { attached: info.ifindex === ifindex, programId: info.programId };
  },
};

/** False when there is no link, or one to an interface that is gone (its index reads 0) or has been made anew. */
function replaceInPlace(program: Program, { pin, ifindex }: HookPoint): boolean {
  if (!existsSync(pin)) return false;
  using link = Link.fromPinned(pin);
  if (link.info().ifindex === ifindex) {
    link.update(program);
    return true;
  }
  detachLink(pin);
  return false;
}

/** Detaches a pinned link and removes its pin; fine when its interface is gone. */
export function detachLink(pin: string): void {
  using link = Link.fromPinned(pin);
  withExpeditedGracePeriods(() => link.detach());
  Link.unpin(pin);
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
