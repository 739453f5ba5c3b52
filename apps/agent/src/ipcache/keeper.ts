// Hands claims to the ipcache per owner: what an owner no longer says is withdrawn.
import type { IpcacheClaim } from "@tsilium/ipcache/model.ts";

/** The part of Ipcache that is needed here. */
type ClaimSink = {
  claim(claim: IpcacheClaim): void;
  withdraw(prefix: IpcacheClaim["prefix"], source: IpcacheClaim["source"], owner: string): void;
};

export class ClaimKeeper {
  readonly #sink: ClaimSink;
  readonly #claimed = new Map<string, readonly IpcacheClaim[]>();

  constructor(sink: ClaimSink) {
    this.#sink = sink;
  }

  /** Everything `owner` claims from now on; an empty list withdraws all. */
  set(owner: string, claims: readonly IpcacheClaim[]): void {
    // New ones first: an address that only changes its identity never goes missing in between.
    for (const claim of claims) this.#sink.claim(claim);
    for (const old of this.#claimed.get(owner) ?? [])
      if (!claims.some((claim) => isOfSame(claim, old)))
        this.#sink.withdraw(old.prefix, old.source, old.owner);
    if (claims.length > 0) this.#claimed.set(owner, claims);
    else this.#claimed.delete(owner);
  }
}

/** Compared one by one: an owner claims a handful, and texts of tens of thousands of prefixes cost more. */
function isOfSame(a: IpcacheClaim, b: IpcacheClaim): boolean {
  return a.source === b.source && a.prefix.equals(b.prefix);
}
