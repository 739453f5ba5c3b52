// Links that outlive the agent by their pins: replaced in one step while they are where they belong, else made anew.
import { existsSync } from "node:fs";
import { Link } from "@tsilium/ebpf";
import type { LinkInfo, Program } from "@tsilium/ebpf";
import { withExpeditedGracePeriods } from "./grace-period.ts";

export type LinkPlace = {
  /** Where the link is pinned. */
  readonly pin: string;
  /** Whether a link found there is attached to what is meant: its interface or cgroup may be gone, or another one. */
  readonly fits: (info: LinkInfo) => boolean;
  readonly attach: (program: Program) => Link;
};

/** What a pinned link runs now. */
export type LinkState = { readonly attached: boolean; readonly programId: number | undefined };

/** Attaches, or replaces what is attached. Idempotent. @throws BpfError */
export function placeLink(program: Program, { pin, fits, attach }: LinkPlace): void {
  if (replaceInPlace(program, { pin, fits })) return;
  using link = withExpeditedGracePeriods(() => attach(program));
  link.pin(pin);
}

/** Detaches a pinned link and removes its pin; fine when there is none, or what it was attached to is gone. */
export function removeLink(pin: string): void {
  if (!existsSync(pin)) return;
  using link = Link.fromPinned(pin);
  withExpeditedGracePeriods(() => link.detach());
  Link.unpin(pin);
}

export function linkState({ pin, fits }: Omit<LinkPlace, "attach">): LinkState {
  if (!existsSync(pin)) return { attached: false, programId: undefined };
  using link = Link.fromPinned(pin);
  const info = link.info();
  return { attached: fits(info), programId: info.programId };
}

/** False when there is no link, or one that is to be made anew, which is detached then. */
function replaceInPlace(program: Program, { pin, fits }: Omit<LinkPlace, "attach">): boolean {
  if (!existsSync(pin)) return false;
  {
    using link = Link.fromPinned(pin);
    if (fits(link.info())) {
      link.update(program);
      return true;
    }
  }
  removeLink(pin);
  return false;
}
