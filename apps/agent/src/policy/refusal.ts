// Telling what the kernel refuses, which is reported and tried again, from what is a fault of ours, which is not.
import { BpfError } from "@tsilium/ebpf";

/** Why the kernel refused. @throws what is no refusal */
export function refusal(error: unknown): string {
  if (error instanceof BpfError) return error.message;
  throw error;
}
