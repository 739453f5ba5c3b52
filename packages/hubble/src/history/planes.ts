// Columns of numbers as bytes: all lowest bytes, then all second bytes, and so on, as many as the largest value needs.
// What is alike then lies together, which is what the compressor behind it is good at; and decoding has no branches.
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { corrupt } from "./errors.ts";

/** Numbers from 0 to 2^53 - 1. */
export type Column = Uint32Array | Float64Array;

const widest = 7;

/** The first `count` values. */
export function writeColumn(out: ByteWriter, values: Column, count: number): void {
  let most = 0;
  for (let at = 0; at < count; at++) {
    const value = values[at] as number;
    if (value > most) most = value;
  }
  const width = bytesFor(most);
  out.reserve(1)[0] = width;
  const bytes = out.reserve(width * count);
  let to = 0;
  for (let plane = 0; plane < Math.min(width, 4); plane++) {
    const shift = plane * 8;
    // In larger numbers the low 32 bits are what >>> looks at, as it must be.
    for (let at = 0; at < count; at++) bytes[to++] = (values[at] as number) >>> shift;
  }
  for (let plane = 4; plane < width; plane++) {
    const divisor = 2 ** (plane * 8);
    for (let at = 0; at < count; at++) bytes[to++] = Math.floor((values[at] as number) / divisor);
  }
}

/** @throws HistoryError corrupt */
export function readColumn(from: ByteReader, count: number): Column {
  const width = from.u8();
  if (width > widest) throw corrupt(`a column of ${width} bytes`);
  const bytes = from.take(width * count);
  if (width <= 4) return readNarrow(bytes, width, count);
  const low = readNarrow(bytes, 4, count);
  const values = new Float64Array(count);
  for (let at = 0; at < count; at++) values[at] = low[at] as number;
  for (let plane = 4; plane < width; plane++) {
    const factor = 2 ** (plane * 8);
    const start = plane * count;
    for (let at = 0; at < count; at++)
      values[at] = (values[at] as number) + (bytes[start + at] as number) * factor;
  }
  return values;
}

function readNarrow(bytes: Buffer, width: number, count: number): Uint32Array {
  const values = new Uint32Array(count);
  for (let plane = 0; plane < width; plane++) {
    const shift = plane * 8;
    const start = plane * count;
    for (let at = 0; at < count; at++)
      values[at] = (values[at] as number) | ((bytes[start + at] as number) << shift);
  }
  return values;
}

function bytesFor(most: number): number {
  let width = 0;
  for (let rest = most; rest >= 1; rest /= 256) width++;
  return width;
}

/** Small numbers of either sign as small numbers: 0, -1, 1, -2, ... Exact up to 2^52. */
export function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

export function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
