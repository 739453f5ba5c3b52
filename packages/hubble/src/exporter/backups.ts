// The files that a log leaves behind when it is rotated: events.log -> events-2026-11-26T09-59-08.123.log, and .gz of it.
import { createReadStream, createWriteStream } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

/** The name that a log gets at `nowMs`. Names sort by time. @param attempt 0, or more when the name is taken */
export function backupName(path: string, nowMs: number, attempt: number): string {
  const { folder, stem, extension } = partsOf(path);
  const stamp = new Date(nowMs + attempt).toISOString().slice(0, -1).replaceAll(":", "-");
  return join(folder, `${stem}-${stamp}${extension}`);
}

/** Makes all but the newest `keep` go, and compresses the rest if wanted. A compression that was cut off is done again. */
export async function tidyBackups(
  path: string,
  { keep, compress }: { readonly keep: number; readonly compress: boolean },
): Promise<void> {
  const { folder } = partsOf(path);
  const found = await listBackups(path);
  // Both the file and its .gz are there when a compression was cut off between renaming and removing.
  const stems = [...new Set(found.map((name) => name.replace(/\.gz$/, "")))].toSorted();
  const gone = new Set(keep === 0 ? [] : stems.slice(0, -keep));
  for (const name of found)
    if (gone.has(name.replace(/\.gz$/, ""))) await rm(join(folder, name), { force: true });
  if (!compress) return;
  for (const name of found)
    if (!name.endsWith(".gz") && !gone.has(name)) await gzipFile(join(folder, name));
}

/** Names of a log's backups. */
export async function listBackups(path: string): Promise<string[]> {
  const { folder, stem, extension } = partsOf(path);
  const stamp = /^-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}$/;
  return (await readdir(folder)).filter((name) => {
    const bare = name.replace(/\.gz$/, "");
    if (!bare.startsWith(stem) || !bare.endsWith(extension)) return false;
    return stamp.test(bare.slice(stem.length, bare.length - extension.length));
  });
}

async function gzipFile(path: string): Promise<void> {
  const partial = `${path}.gz.partial`;
  try {
    await pipeline(
      createReadStream(path),
      createGzip(),
      createWriteStream(partial, { mode: 0o600 }),
    );
    await rename(partial, `${path}.gz`);
    await rm(path, { force: true });
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

function partsOf(path: string): { folder: string; stem: string; extension: string } {
  const extension = extname(path);
  return { folder: dirname(path), stem: basename(path, extension), extension };
}
