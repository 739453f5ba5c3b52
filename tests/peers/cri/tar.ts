// Writes tar archives (POSIX ustar) in memory: enough for the layer of an image and for the image around it.

export type TarEntry =
  | {
      readonly kind: "file";
      readonly path: string;
      readonly bytes: Uint8Array;
      readonly mode?: number;
    }
  | { readonly kind: "folder"; readonly path: string; readonly mode?: number }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

const block = 512;
const types = { file: "0", link: "2", folder: "5" } as const;

/** @throws RangeError for a path or target of more than 100 bytes, which ustar has no room for */
export function tar(entries: readonly TarEntry[]): Buffer {
  const parts = entries.flatMap((entry) => {
    const bytes = entry.kind === "file" ? entry.bytes : new Uint8Array();
    const padding = Buffer.alloc((block - (bytes.length % block)) % block);
    return [header(entry, bytes.length), bytes, padding];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * block)]);
}

function header(entry: TarEntry, size: number): Buffer {
  const bytes = Buffer.alloc(block);
  const text = (value: string, at: number, room: number) => {
    if (Buffer.byteLength(value) > room) throw new RangeError(`too long for a tar: ${value}`);
    bytes.write(value, at);
  };
  const octal = (value: number, at: number, room: number) =>
    text(value.toString(8).padStart(room - 1, "0"), at, room);
  const mode = entry.kind === "link" ? 0o777 : (entry.mode ?? 0o755);
  text(entry.kind === "folder" ? `${entry.path}/` : entry.path, 0, 100);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  text(types[entry.kind], 156, 1);
  if (entry.kind === "link") text(entry.target, 157, 100);
  text("ustar\0" + "00", 257, 8);
  // The sum is taken with blanks in its own place.
  bytes.fill(" ", 148, 156);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  text(`${sum.toString(8).padStart(6, "0")}\0 `, 148, 8);
  return bytes;
}
