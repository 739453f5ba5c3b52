// Which blocks a file has. What is damaged or torn is stepped over to the next place where a block begins.
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  type BlockHeader,
  blockHeaderLength,
  blockLength,
  blockMagic,
  readBlockHeader,
} from "./block-header.ts";
import { fileHeaderLength, type SegmentFile } from "./segment-file.ts";

export type FoundBlock = { readonly header: BlockHeader; readonly offset: number };

export type FoundBlocks = {
  readonly blocks: readonly FoundBlock[];
  /** Places where something is that is no block. */
  readonly corruptBlocks: number;
  /** Where the last block ends: what comes behind is torn. */
  readonly end: number;
};

/** In order. One whose sequences are not above those before it is damaged as well. @throws the system's error */
export async function findBlocks(file: SegmentFile): Promise<FoundBlocks> {
  const blocks: FoundBlock[] = [];
  let corruptBlocks = 0;
  let lastSequence = 0;
  let end = Math.min(fileHeaderLength, file.size);
  let at = end;
  while (at < file.size) {
    const header = readBlockHeader(await file.read(at, blockHeaderLength));
    const isWhole = header !== undefined && at + blockLength(header) <= file.size;
    if (isWhole && header.firstSequence > lastSequence) {
      blocks.push({ header, offset: at });
      lastSequence = header.lastSequence;
      at = end = at + blockLength(header);
    } else {
      corruptBlocks++;
      at = await nextMagic(file, at + 1);
    }
    if (blocks.length % 64 === 0) await nextTurn();
  }
  return { blocks, corruptBlocks, end };
}

const chunk = 1 << 18;

/** Where the next header may begin; the file's end if nowhere. */
async function nextMagic(file: SegmentFile, from: number): Promise<number> {
  const wanted = Buffer.alloc(4);
  wanted.writeUInt32LE(blockMagic);
  for (let at = from; at < file.size; at += chunk) {
    const bytes = await file.read(at, chunk + wanted.length - 1);
    for (let found = bytes.indexOf(wanted); found >= 0; found = bytes.indexOf(wanted, found + 1))
      if (readBlockHeader(await file.read(at + found, blockHeaderLength))) return at + found;
  }
  return file.size;
}
