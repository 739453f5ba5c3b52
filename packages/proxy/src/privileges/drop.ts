// From root to a user of no account that may do one thing more than others: open sockets with addresses that are not
// its own (CAP_NET_RAW suffices for IP_TRANSPARENT). Once, at the start, before anything is read from outside.
import { readdirSync, readFileSync } from "node:fs";
import {
  CAP_NET_RAW,
  capset,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAPBSET_DROP,
  PR_SET_DUMPABLE,
  PR_SET_KEEPCAPS,
  PR_SET_NO_NEW_PRIVS,
  prctl,
  seccompAllThreads,
  setgroups,
  setresgid,
  setresuid,
} from "@tsilium/syscall";
import { noNewPrograms } from "./seccomp.ts";

export type PrivilegeOptions = { readonly uid: number; readonly gid: number };

/** Not everything could be given up: the process must end. code: "privileges_kept". */
export class PrivilegeError extends Error {
  override readonly name = "PrivilegeError";
  readonly code = "privileges_kept";

  constructor(what: string) {
    super(`this process kept privileges that it should not have: ${what}`);
  }
}

/**
 * Makes the process that user's, with CAP_NET_RAW in the calling thread (and the threads that it makes from now on) and
 * nothing in the others; no program can be executed any more, nothing gained, and no other process of that user can look
 * into this one. Files are out of reach from now on, unless they are open (see StateFolder) or that user's.
 * @throws SyscallError, PrivilegeError: the process must end then
 */
export function dropPrivileges({ uid, gid }: PrivilegeOptions): void {
  if (uid === 0 || gid === 0) throw new PrivilegeError("the user or group to become is root");
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
  dropBoundingSet();
  setgroups([]);
  setresgid(gid);
  // Of this thread alone: the others lose all of their capabilities by becoming somebody else.
  prctl(PR_SET_KEEPCAPS, 1);
  setresuid(uid);
  capset([CAP_NET_RAW]);
  prctl(PR_SET_KEEPCAPS, 0);
  prctl(PR_SET_NO_NEW_PRIVS, 1);
  seccompAllThreads(noNewPrograms());
  prctl(PR_SET_DUMPABLE, 0);
  verify({ uid, gid });
}

function dropBoundingSet(): void {
  const last = Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8"));
  for (let capability = 0; capability <= last; capability++)
    if (capability !== CAP_NET_RAW) prctl(PR_CAPBSET_DROP, capability);
}

/** What the kernel says of every thread, this one first. */
function verify({ uid, gid }: PrivilegeOptions): void {
  const netRaw = (1n << BigInt(CAP_NET_RAW)).toString(16).padStart(16, "0");
  const none = "0".repeat(16);
  const own = String(process.pid);
  for (const task of readdirSync("/proc/self/task")) {
    const fields = statusOf(task);
    // A thread that ended meanwhile.
    if (!fields) continue;
    expect(fields, "Uid", [uid, uid, uid, uid].join(" "));
    expect(fields, "Gid", [gid, gid, gid, gid].join(" "));
    expect(fields, "Groups", "");
    for (const set of ["CapPrm", "CapEff"]) expect(fields, set, task === own ? netRaw : none);
    expect(fields, "CapAmb", none);
    expect(fields, "NoNewPrivs", "1");
    expect(fields, "Seccomp", "2");
  }
}

function statusOf(task: string): ReadonlyMap<string, string> | undefined {
  try {
    const lines = readFileSync(`/proc/self/task/${task}/status`, "utf8").trim().split("\n");
    return new Map(
      lines.map((line) => {
        const [field = "", ...words] = line.split(/[:\s]+/);
        return [field, words.filter((word) => word !== "").join(" ")];
      }),
    );
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

function expect(fields: ReadonlyMap<string, string>, field: string, wanted: string): void {
  const got = fields.get(field);
  if (got !== wanted) throw new PrivilegeError(`${field} is "${got}", not "${wanted}"`);
}
