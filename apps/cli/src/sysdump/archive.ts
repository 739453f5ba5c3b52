// The file that a dump becomes: entries compressed and written as they come, in its place only when it is whole.
import { closeSync, existsSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { constants, gzipSync } from "node:zlib";
import { tarEnd, tarEntry } from "./tar.ts";

/** Each entry is a member of its own: gzip's format allows it, and what is written is out of memory. */
function compress(parts: readonly Uint8Array[]): Uint8Array {
  return gzipSync(Buffer.concat(parts), { level: constants.Z_BEST_SPEED });
}

export class Archive implements Disposable {
  readonly path: string;
  readonly #root: string;
  readonly #draft: string;
  #fd: number | undefined;

  /** @param root folder that everything is in, within the archive @throws Error of node:fs when it is there already */
  constructor(path: string, root: string) {
    this.path = path;
    this.#root = root;
    this.#draft = `${path}.partial`;
    if (existsSync(path)) throw new Error("it is there already");
    // Whatever is in it is for whoever may read what it was made of.
    this.#fd = openSync(this.#draft, "wx", 0o600);
  }

  add(name: string, content: Uint8Array): void {
    this.#write(compress(tarEntry(`${this.#root}/${name}`, content, new Date())));
  }

  /** Ends it, and puts it in its place. Answers its size in bytes. */
  finish(): number {
    this.#write(compress([tarEnd()]));
    this.#close();
    renameSync(this.#draft, this.path);
    return statSync(this.path).size;
  }

  /** Leaves nothing behind of one that was not finished. */
  [Symbol.dispose](): void {
    if (this.#fd === undefined) return;
    this.#close();
    rmSync(this.#draft, { force: true });
  }

  #write(bytes: Uint8Array): void {
    if (this.#fd === undefined) throw new TypeError("Archive.add after finish");
    for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at);
  }

  #close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
