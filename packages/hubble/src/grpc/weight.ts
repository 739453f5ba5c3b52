// How much a message grows when it is read. Two bytes can become an object of kilobytes (an empty FlowFilter has fifty
// lists), so that a request of a few megabytes would be gigabytes: it is weighed first.
import type { DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** Of a message in a field; any other field weighs 1. About 130 bytes of memory each. */
const messageWeight = 25;

/** Whether `bytes` hold more than `most` of what a `schema` is made of. @throws Error for what is no message */
export function isHeavy(schema: DescMessage, bytes: Uint8Array, most: number): boolean {
  return weigh(schema, bytes, most) < 0;
}

/** What is left of `most`; below zero it has not looked at everything. */
function weigh(schema: DescMessage, bytes: Uint8Array, most: number): number {
  const reader = new BinaryReader(bytes);
  let left = most;
  while (reader.pos < reader.len && left >= 0) {
    const [number, type] = reader.tag();
    const inner = schema.fields.find((field) => field.number === number)?.message;
    if (inner !== undefined && type === WireType.LengthDelimited) {
      left = weigh(inner, reader.bytes(), left - messageWeight);
    } else {
      reader.skip(type, number);
      left -= 1;
    }
  }
  return left;
}
