// The running kernel's version, for saying what is missing: "6.1.0-28-cloud-amd64" is 6.1.
import { release } from "node:os";

export type KernelVersion = { readonly major: number; readonly minor: number };

/** @throws RangeError when the release does not start with two numbers. */
export function parseKernelVersion(text: string): KernelVersion {
  const found = /^(\d+)\.(\d+)/.exec(text);
  if (!found) throw new RangeError(`not a kernel version: ${text}`);
  return { major: Number(found[1]), minor: Number(found[2]) };
}

export function kernelVersion(): KernelVersion {
  return parseKernelVersion(release());
}
