// A file of blocks, and what is in it.
import { Block } from "./block.ts";
import type { EndpointPool } from "./endpoints.ts";
import { HistoryError } from "./errors.ts";
import { findBlocks } from "./find-blocks.ts";
import { SegmentFile } from "./segment-file.ts";

export class Segment {
  readonly #file: SegmentFile;
  readonly #openedMs: number;
  readonly #blocks: Block[] = [];
  #flows = 0;
  #lastNs: bigint | undefined;

  private constructor(file: SegmentFile, openedMs: number) {
    this.#file = file;
    this.#openedMs = openedMs;
  }

  /** @throws the system's error */
  static async create(path: string, nowMs: number): Promise<Segment> {
    return new Segment(await SegmentFile.create(path), nowMs);
  }

  /**
   * What a process before this one left. A torn end is cut off. undefined: a newer version's, or no file.
   * @throws the system's error
   */
  static async recover(
    path: string,
    pool: EndpointPool,
  ): Promise<{ readonly segment: Segment; readonly corruptBlocks: number } | undefined> {
    const file = await openOurs(path);
    if (file === undefined) return undefined;
    const { blocks, corruptBlocks, end } = await findBlocks(file);
    if (end < file.size) await file.truncate(end);
    const firstNs = blocks[0]?.header.firstNs ?? 0n;
    const segment = new Segment(file, Number(firstNs / 1_000_000n));
    for (const { header, offset } of blocks)
      segment.#hold(Block.stored(header, { file, offset }, pool));
    return { segment, corruptBlocks };
  }

  get path(): string {
    return this.#file.path;
  }

  /** Bytes. */
  get size(): number {
    return this.#file.size;
  }

  get flows(): number {
    return this.#flows;
  }

  /** Oldest first. */
  get blocks(): readonly Block[] {
    return this.#blocks;
  }

  /** 0: it has no flows. */
  get firstSequence(): number {
    return this.#blocks[0]?.header.firstSequence ?? 0;
  }

  get lastSequence(): number {
    return this.#blocks.at(-1)?.header.lastSequence ?? 0;
  }

  /** Time of its newest flow; undefined: it has none. */
  get lastNs(): bigint | undefined {
    return this.#lastNs;
  }

  /** When it began, UNIX time. */
  get openedMs(): number {
    return this.#openedMs;
  }

  /** Writes a block that is in memory. All of it or nothing. @throws the system's error */
  async append(block: Block, bytes: Buffer): Promise<void> {
    const offset = await this.#file.append(bytes);
    block.moveTo(this.#file, offset);
    this.#hold(block);
  }

  async remove(): Promise<void> {
    await this.#file.remove();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #hold(block: Block): void {
    this.#blocks.push(block);
    this.#flows += block.header.flows;
    if (this.#lastNs === undefined || block.header.lastNs > this.#lastNs)
      this.#lastNs = block.header.lastNs;
  }
}

async function openOurs(path: string): Promise<SegmentFile | undefined> {
  try {
    return await SegmentFile.open(path);
  } catch (error) {
    if (error instanceof HistoryError && error.code === "unsupported") return undefined;
    if (["EISDIR", "ELOOP"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
