// Flows that wait for their block to fill, on disk all the same: a small block for each flush, emptied when the large one
// is written. After a crash they are read back and wait on.
import type { Flow } from "../model.ts";
import { Block } from "./block.ts";
import type { EndpointPool } from "./endpoints.ts";
import { HistoryError } from "./errors.ts";
import { findBlocks } from "./find-blocks.ts";
import { flowAt } from "./row.ts";
import { fileHeaderLength, SegmentFile } from "./segment-file.ts";

export type Recovered = { readonly flows: readonly Flow[]; readonly corruptBlocks: number };

export class Journal {
  readonly path: string;
  #file: SegmentFile | undefined;

  constructor(path: string) {
    this.path = path;
  }

  get size(): number {
    return this.#file?.size ?? 0;
  }

  /** What is in it, above `lastSequence`. @throws HistoryError unsupported; the system's error */
  async recover(pool: EndpointPool, lastSequence: number): Promise<Recovered> {
    const file = await openIfThere(this.path);
    if (file === undefined) return { flows: [], corruptBlocks: 0 };
    this.#file = file;
    const found = await findBlocks(file);
    let { corruptBlocks } = found;
    if (found.end < file.size) await file.truncate(found.end);
    const flows: Flow[] = [];
    for (const { header, offset } of found.blocks) {
      if (header.lastSequence <= lastSequence) continue;
      try {
        const stored = await Block.stored(header, { file, offset }, pool).load();
        for (let row = 0; row < stored.count; row++) flows.push(flowAt(stored, row));
      } catch (error) {
        if (!(error instanceof HistoryError)) throw error;
        corruptBlocks++;
      }
    }
    return { flows: flows.filter(({ sequence }) => sequence > lastSequence), corruptBlocks };
  }

  /** @throws the system's error; nothing of it is written then */
  async append(bytes: Buffer): Promise<void> {
    this.#file ??= await SegmentFile.create(this.path);
    await this.#file.append(bytes);
  }

  /** @throws the system's error */
  async clear(): Promise<void> {
    if (this.size > fileHeaderLength) await this.#file?.truncate(fileHeaderLength);
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}

async function openIfThere(path: string): Promise<SegmentFile | undefined> {
  try {
    return await SegmentFile.open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
