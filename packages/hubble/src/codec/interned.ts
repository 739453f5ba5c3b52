// Values that come again and again as the same bytes, decoded once, so that flows of one pod share one object.

/** Bounds the memory: pods, services and policies of a large node fit. */
const maxEntries = 16_384;
/** Longer ones are decoded each time: a peer must not fill the memory. */
const maxLength = 4096;

/** @param decode of the bytes in [begin, end) */
export function interned<T>(decode: (bytes: Buffer, begin: number, end: number) => T) {
  const known = new Map<string, T>();
  return (bytes: Buffer, begin: number, end: number): T => {
    if (end - begin > maxLength) return decode(bytes, begin, end);
    const key = bytes.toString("latin1", begin, end);
    const found = known.get(key);
    if (found !== undefined) return found;
    const value = decode(bytes, begin, end);
    if (known.size >= maxEntries) known.clear();
    known.set(key, value);
    return value;
  };
}
