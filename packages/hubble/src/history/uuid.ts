// UUIDs of flows: RFC 9562 version 8, of what is random for each run of a node's store and the flow's sequence. A flow's
// UUID so costs nothing to store, and no two flows have the same one, even where a crash made numbers be given twice.
//
//   xxxxxxxx-xxxx-8xxx-yxxx-ssssssssssss      x: the run (72 bits)  y: 8-b  s: the sequence (48 bits)
import { randomBytes } from "node:crypto";

/** "xxxxxxxx-xxxx-8xxx-yxxx-": what the UUIDs of a run begin with. */
export type StoreId = string;

const pattern = /^([0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-)([0-9a-f]{12})$/;
const prefixLength = 24;
const uuidLength = 36;

/** A new run's. */
export function newStoreId(): StoreId {
  const hex = randomBytes(10).toString("hex");
  const variant = (8 + (Number.parseInt(hex.charAt(15), 16) & 3)).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(12, 15)}-${variant}${hex.slice(16, 19)}-`;
}

/** @param sequence 0 to 2^48 - 1 */
export function flowUuid(storeId: StoreId, sequence: number): string {
  return storeId + sequence.toString(16).padStart(12, "0");
}

/** undefined: not one of ours. */
export function parseFlowUuid(
  text: string,
): { readonly storeId: StoreId; readonly sequence: number } | undefined {
  const [, storeId, digits] = pattern.exec(text) ?? [];
  if (storeId === undefined || digits === undefined) return undefined;
  return { storeId, sequence: Number.parseInt(digits, 16) };
}

/**
 * The StoreId of a UUID that is `flowUuid` of it and this sequence; undefined: it is none.
 * @param likely the store's whose it most likely is, which is quicker
 */
export function storeIdOf(uuid: string, sequence: number, likely: StoreId): StoreId | undefined {
  if (uuid.length !== uuidLength || hexNumber(uuid, prefixLength) !== sequence) return undefined;
  if (uuid.startsWith(likely)) return likely;
  return parseFlowUuid(uuid)?.storeId;
}

/** Of lower case digits up to the end; NaN for others. */
function hexNumber(text: string, from: number): number {
  let value = 0;
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const digit = code >= 97 && code <= 102 ? code - 87 : code - 48;
    if (digit < 0 || digit > 15 || (digit > 9 && code < 97)) return Number.NaN;
    value = value * 16 + digit;
  }
  return value;
}
