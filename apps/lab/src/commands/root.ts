import { LabError } from "../error.ts";

/** Namespaces, mounts and eBPF are root's. @throws LabError "not_root" */
export function needRoot(): void {
  if (process.geteuid?.() === 0) return;
  throw new LabError(
    "not_root",
    "a lab needs root: it makes network namespaces and loads eBPF",
    "Try again with sudo.",
  );
}
