// Values that come again and again as the same bytes, decoded once, so that flows of one pod share one object.

// Bounds the memory, also against a peer that makes them up: pods, services and policies of a large cluster fit.
const maxEntries = 16_384;
const maxBytes = 8 * 1024 * 1024;
/** Longer ones are decoded each time. */
const maxLength = 4096;

/** @param decode of the bytes in [begin, end) */
export function interned<T>(decode: (bytes: Buffer, begin: number, end: number) => T) {
  const known = new Map<string, T>();
  let bytesKnown = 0;
  return (bytes: Buffer, begin: number, end: number): T => {
    if (end - begin > maxLength) return decode(bytes, begin, end);
    const key = bytes.toString("latin1", begin, end);
    const found = known.get(key);
    if (found !== undefined) return found;
    const value = decode(bytes, begin, end);
    bytesKnown += key.length;
    if (known.size >= maxEntries || bytesKnown > maxBytes) {
      known.clear();
      bytesKnown = key.length;
    }
    known.set(key, value);
    return value;
  };
}
