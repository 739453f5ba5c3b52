// Tar archives (POSIX ustar), as far as a dump needs them: regular files of a moment, readable by root alone. Pure.

const blockSize = 512;

/**
 * A file's header and content, padded to whole blocks.
 * @param path 255 bytes at most, its last part 100
 * @throws RangeError for a longer one
 */
export function tarEntry(path: string, content: Uint8Array, modified: Date): Uint8Array[] {
  const header = new Uint8Array(blockSize);
  const [prefix, name] = split(path);
  put(header, 0, name);
  put(header, 100, octal(0o600, 7));
  put(header, 108, octal(0, 7));
  put(header, 116, octal(0, 7));
  put(header, 124, octal(content.length, 11));
  put(header, 136, octal(Math.floor(modified.getTime() / 1000), 11));
  // The sum counts its own field as blanks.
  header.fill(0x20, 148, 156);
  put(header, 156, "0");
  put(header, 257, "ustar\u000000");
  put(header, 345, prefix);
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(header, 148, `${octal(sum, 6)}\u0000 `);
  const padding = new Uint8Array((blockSize - (content.length % blockSize)) % blockSize);
  return [header, content, padding];
}

/** What ends an archive. */
export function tarEnd(): Uint8Array {
  return new Uint8Array(2 * blockSize);
}

/** Prefix (155 bytes) and name (100 bytes), parted at a slash. */
function split(path: string): readonly [string, string] {
  const length = Buffer.byteLength(path);
  if (length <= 100) return ["", path];
  for (let at = path.indexOf("/"); at !== -1; at = path.indexOf("/", at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
    if (Buffer.byteLength(name) <= 100 && Buffer.byteLength(prefix) <= 155) return [prefix, name];
  }
  throw new RangeError(`${path}: too long a path for an archive`);
}

function put(header: Uint8Array, at: number, text: string): void {
  header.set(Buffer.from(text), at);
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}
