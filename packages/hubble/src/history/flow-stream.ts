// Flows of one budget: those that came last in memory and in the journal, the others in blocks in segment files, the
// oldest of which go when there are too many bytes or they are too old.
//
//   append --> pending (+ journal each flush) --full--> block --queue--> newest segment ... oldest segment --> removed
import type { Flow } from "../model.ts";
import { Block } from "./block.ts";
import { BlockBuilder } from "./block-builder.ts";
import type { EndpointPool } from "./endpoints.ts";
import { journalPath, segmentPath, type StreamName } from "./files.ts";
import { Journal } from "./journal.ts";
import type { StreamStatistics } from "./model.ts";
import type { Snapshot } from "./scan.ts";
import { Segment } from "./segment.ts";
import { SerialQueue } from "./serial-queue.ts";

export type StreamOptions = {
  readonly folder: string;
  readonly name: StreamName;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly blockFlows: number;
  readonly pool: EndpointPool;
  readonly now: () => number;
  /** Frees some of the disk's space; false: there is nothing to free. */
  readonly makeRoom: () => Promise<boolean>;
  /** undefined: it succeeded. */
  readonly onWrite: (error: Error | undefined) => void;
};

/** Segments of a full store: removing the oldest one takes this part of the flows away. */
const segmentsInBudget = 16;
const largestSegment = 64 << 20;
/** Parts of `maxAgeMs` that segments are cut into. */
const segmentsInAge = 24;
/** Blocks that wait for a slow disk; more are lost. Bytes. */
const mostUnwritten = 32 << 20;

export class FlowStream {
  readonly #options: StreamOptions;
  readonly #queue = new SerialQueue();
  readonly #segments: Segment[] = [];
  readonly #journal: Journal;
  readonly #builder: BlockBuilder;
  readonly #journalBuilder: BlockBuilder;
  /** Made, and on their way into a file. */
  #unwritten: Block[] = [];
  #unwrittenBytes = 0;
  /** In the builder; a new list for each block, since readers may hold the old one. */
  #pending: Flow[] = [];
  /** How many of `pending` the journal has. */
  #journaled = 0;
  #foreignFiles = 0;
  #corruptBlocks = 0;
  #lostFlows = 0;
  #removedFlows = 0;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#journal = new Journal(journalPath(options.folder, options.name));
    this.#builder = new BlockBuilder(options.blockFlows, options.pool);
    this.#journalBuilder = new BlockBuilder(options.blockFlows, options.pool);
  }

  /**
   * Takes over what a process before this one left.
   * @param paths of its segments, oldest first
   * @throws HistoryError unsupported: the journal is a newer version's; the system's error
   */
  async recover(paths: readonly string[]): Promise<void> {
    const { pool } = this.#options;
    for (const path of paths) await this.#recoverSegment(path);
    const { flows, corruptBlocks } = await this.#journal.recover(pool, this.#storedSequence());
    this.#corruptBlocks += corruptBlocks;
    for (const flow of flows) {
      this.append(flow);
      this.#journaled = this.#pending.length;
    }
    await this.#queue.idle();
  }

  async #recoverSegment(path: string): Promise<void> {
    const found = await Segment.recover(path, this.#options.pool);
    if (found === undefined) {
      this.#foreignFiles++;
      return;
    }
    const { segment, corruptBlocks } = found;
    this.#corruptBlocks += corruptBlocks;
    const isNext = segment.firstSequence > (this.#segments.at(-1)?.lastSequence ?? 0);
    if (isNext) this.#segments.push(segment);
    else await segment.remove();
  }

  /** Segments that a newer version wrote: left alone. */
  get foreignFiles(): number {
    return this.#foreignFiles;
  }

  /** 0: it has no flows. */
  get lastSequence(): number {
    return this.#pending.at(-1)?.sequence ?? this.#storedSequence();
  }

  /** Flows come in order of their sequence. */
  append(flow: Flow): void {
    if (!this.#builder.takes(flow)) this.#seal();
    this.#builder.add(flow);
    this.#pending.push(flow);
    if (this.#pending.length >= this.#options.blockFlows) this.#seal();
  }

  /** Brings what is in memory alone into the journal, and removes what is too old. Done when `idle`. */
  flush(): void {
    this.#sealOld();
    const flows = this.#pending.slice(this.#journaled);
    this.#journaled = this.#pending.length;
    if (flows.length > 0) {
      for (const flow of flows) this.#journalBuilder.add(flow);
      const { bytes } = this.#journalBuilder.finish();
      // The flows stay in memory and in the block to come: nothing is lost yet if this fails.
      this.#queue.add(async () => void (await this.#write(() => this.#journal.append(bytes))));
    }
    this.#queue.add(() => this.#removeSurplus(0));
  }

  async idle(): Promise<void> {
    await this.#queue.idle();
  }

  async close(): Promise<void> {
    this.flush();
    await this.idle();
    await this.closeFiles();
  }

  /** Without writing what is in memory. */
  async closeFiles(): Promise<void> {
    await this.#journal.close();
    for (const segment of this.#segments) await segment.close();
  }

  /** All that there is at this moment. Removing segments later makes holes in it. */
  snapshot(): Snapshot {
    const blocks = this.#segments.flatMap((segment) => segment.blocks);
    return { blocks: [...blocks, ...this.#unwritten], pending: this.#pending.slice() };
  }

  countCorrupt(): void {
    this.#corruptBlocks++;
  }

  countLost(flows: number): void {
    this.#lostFlows += flows;
  }

  /** Removes the oldest segment. False: there is none. */
  async removeOldest(): Promise<boolean> {
    const segment = this.#segments.shift();
    if (segment === undefined) return false;
    this.#removedFlows += segment.flows;
    await segment.remove();
    return true;
  }

  statistics(): StreamStatistics {
    const unwritten = this.#unwritten.reduce((sum, { header }) => sum + header.flows, 0);
    const stored = this.#segments.reduce((sum, { flows }) => sum + flows, 0);
    return {
      segments: this.#segments.length,
      bytes: this.#fileBytes(),
      flows: stored + unwritten + this.#pending.length,
      oldestNs:
        this.#segments[0]?.blocks[0]?.header.firstNs ??
        this.#unwritten[0]?.header.firstNs ??
        this.#pending[0]?.timeNs,
      corruptBlocks: this.#corruptBlocks,
      lostFlows: this.#lostFlows,
      removedFlows: this.#removedFlows,
    };
  }

  #storedSequence(): number {
    return this.#unwritten.at(-1)?.header.lastSequence ?? this.#segments.at(-1)?.lastSequence ?? 0;
  }

  #fileBytes(): number {
    return this.#segments.reduce((sum, { size }) => sum + size, this.#journal.size);
  }

  /** A quiet node's flows do not wait for company until they are too old to be kept. */
  #sealOld(): void {
    const { now, maxAgeMs } = this.#options;
    const [oldest] = this.#pending;
    if (oldest === undefined) return;
    if (now() - Number(oldest.timeNs / 1_000_000n) > maxAgeMs / segmentsInAge) this.#seal();
  }

  #seal(): void {
    const built = this.#builder.finish();
    this.#pending = [];
    this.#journaled = 0;
    if (this.#unwrittenBytes + built.bytes.length > mostUnwritten) {
      this.#lostFlows += built.header.flows;
      return;
    }
    const block = Block.built(built, this.#options.pool);
    this.#unwritten.push(block);
    this.#unwrittenBytes += built.bytes.length;
    this.#queue.add(() => this.#store(block, built.bytes));
  }

  async #store(block: Block, bytes: Buffer): Promise<void> {
    const isWritten = await this.#write(async () => {
      await this.#removeSurplus(bytes.length);
      await (await this.#segmentFor(bytes.length, block)).append(block, bytes);
    });
    if (!isWritten) this.#lostFlows += block.header.flows;
    this.#unwritten = this.#unwritten.filter((other) => other !== block);
    this.#unwrittenBytes -= bytes.length;
    await this.#write(() => this.#journal.clear());
  }

  /** The newest segment, or one that begins with this block. @throws the system's error */
  async #segmentFor(length: number, block: Block): Promise<Segment> {
    const { folder, name, maxBytes, maxAgeMs, now } = this.#options;
    const newest = this.#segments.at(-1);
    const limit = Math.min(largestSegment, maxBytes / segmentsInBudget);
    const isOpen =
      newest !== undefined &&
      newest.size + length <= limit &&
      now() - newest.openedMs < maxAgeMs / segmentsInAge;
    if (isOpen) return newest;
    const path = segmentPath(folder, name, block.header.firstSequence);
    const segment = await Segment.create(path, now());
    this.#segments.push(segment);
    return segment;
  }

  /** Whether it was written, after making room if the disk is full. */
  async #write(task: () => Promise<void>): Promise<boolean> {
    for (;;) {
      try {
        await task();
        this.#options.onWrite(undefined);
        return true;
      } catch (error) {
        this.#options.onWrite(error as Error);
        if (!isDiskFull(error) || !(await this.#options.makeRoom())) return false;
      }
    }
  }

  /** Keeps to the budget when `coming` more bytes are written, and to the age. */
  async #removeSurplus(coming: number): Promise<void> {
    const { maxBytes, maxAgeMs, now } = this.#options;
    const oldestAllowedNs = BigInt(Math.floor((now() - maxAgeMs) * 1000)) * 1000n;
    const isTooOld = ({ lastNs }: Segment) => lastNs !== undefined && lastNs < oldestAllowedNs;
    for (;;) {
      const [oldest] = this.#segments;
      if (oldest === undefined) return;
      if (this.#fileBytes() + coming <= maxBytes && !isTooOld(oldest)) return;
      if (!(await this.#removeQuietly())) return;
    }
  }

  async #removeQuietly(): Promise<boolean> {
    try {
      return await this.removeOldest();
    } catch (error) {
      this.#options.onWrite(error as Error);
      return false;
    }
  }
}

function isDiskFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT";
}
