// Bytes of a segment in its file: appended to, read at random, removed while it may still be read. Knows nothing of flows.
import { constants } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { HistoryError } from "./errors.ts";

/** "TSILFLOW", then the version (32 bits), then zeros up to `fileHeaderLength`. */
const magic = Buffer.from("TSILFLOW");
const version = 1;
export const fileHeaderLength = 32;

export class SegmentFile {
  readonly path: string;
  readonly #handle: FileHandle;
  #size: number;
  #isRemoved = false;

  private constructor(path: string, handle: FileHandle, size: number) {
    this.path = path;
    this.#handle = handle;
    this.#size = size;
  }

  /** A new one, with its header. @throws the system's error */
  static async create(path: string): Promise<SegmentFile> {
    const handle = await open(path, "wx+", 0o600);
    const file = new SegmentFile(path, handle, 0);
    try {
      await file.append(fileHeader());
    } catch (error) {
      await file.remove();
      throw error;
    }
    return file;
  }

  /**
   * One that is there, whatever is in it.
   * @throws HistoryError unsupported: of a newer version, or no file; the system's error
   */
  static async open(path: string): Promise<SegmentFile> {
    // Its end may be cut off: not of what somebody else's link leads to.
    const handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
    try {
      const found = await handle.stat();
      if (!found.isFile()) throw new HistoryError("unsupported", `${path} is no file`);
      const { size } = found;
      const file = new SegmentFile(path, handle, size);
      refuseNewer(await file.read(0, Math.min(size, fileHeaderLength)), path);
      // Whoever made it was killed at once.
      if (size < fileHeaderLength) await file.truncate(0);
      if (size < fileHeaderLength) await file.append(fileHeader());
      return file;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get size(): number {
    return this.#size;
  }

  /** Its file is gone, and so is what was in it. */
  get isRemoved(): boolean {
    return this.#isRemoved;
  }

  /** Fewer bytes where the file ends. @throws the system's error */
  async read(offset: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(length);
    let got = 0;
    while (got < length) {
      const { bytesRead } = await this.#handle.read(bytes, got, length - got, offset + got);
      if (bytesRead === 0) break;
      got += bytesRead;
    }
    return bytes.subarray(0, got);
  }

  /** All of the bytes or, when it throws the system's error, none. Answers where they begin. */
  async append(bytes: Buffer): Promise<number> {
    const offset = this.#size;
    try {
      let put = 0;
      while (put < bytes.length) {
        const { bytesWritten } = await this.#handle.write(bytes, put, undefined, offset + put);
        put += bytesWritten;
      }
    } catch (error) {
      await this.#handle.truncate(offset).catch(() => {});
      throw error;
    }
    this.#size = offset + bytes.length;
    return offset;
  }

  /** Cuts off what comes behind. @throws the system's error */
  async truncate(size: number): Promise<void> {
    await this.#handle.truncate(size);
    this.#size = size;
  }

  /** From the folder at once; reads that are under way end well. */
  async remove(): Promise<void> {
    this.#isRemoved = true;
    await rm(this.path, { force: true });
    await this.#handle.close();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

function fileHeader(): Buffer {
  const header = Buffer.alloc(fileHeaderLength);
  magic.copy(header);
  header.writeUInt32LE(version, magic.length);
  return header;
}

/** A header that is damaged is no reason to give up the blocks behind it. */
function refuseNewer(header: Buffer, path: string): void {
  if (header.length < magic.length + 4 || !header.subarray(0, magic.length).equals(magic)) return;
  const found = header.readUInt32LE(magic.length);
  if (found > version)
    throw new HistoryError("unsupported", `${path} has version ${found}, this is ${version}`);
}
