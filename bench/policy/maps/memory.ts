// What maps take in the kernel, as it tells of their descriptors.
import { readFileSync } from "node:fs";
import type { BpfMap } from "@tsilium/ebpf";

/** Bytes of kernel memory that a map takes, empty buckets included. @throws Error when the kernel does not tell */
export function mapBytes(map: BpfMap): number {
  const text = readFileSync(`/proc/self/fdinfo/${map.fd}`, "utf8");
  const bytes = /^memlock:\s+(\d+)$/m.exec(text)?.[1];
  if (bytes === undefined) throw new Error(`no memlock of map ${map.name}: ${text}`);
  return Number(bytes);
}
